import type { ServiceId } from '../../protocol/ids.ts'
import type { ServiceParty } from '../store.ts'

/** party ‖ length ‖ serviceId ‖ id: the associations of one party with one service form a group. */
export function associationKey(party: ServiceParty, serviceId: ServiceId): string {
  return party + String.fromCharCode(serviceId.length) + serviceId
}

/** The part of a key that {@link associationKey} made. */
export function associationGroup(key: string): string {
  return key.slice(0, 2 + key.charCodeAt(1))
}
