import { createHmac, hkdfSync } from 'node:crypto'
import { verifySignature } from '../crypto/verify.ts'
import { commandTable, type CommandType } from '../protocol/command-table.ts'
import type { SmpError } from '../protocol/errors.ts'
import { idFromBytes, type ServiceId } from '../protocol/ids.ts'
import { ID_SIZE } from '../protocol/limits.ts'
import type { Transmission } from '../protocol/transmission.ts'
import type { ServiceHello } from '../transport/server-handshake.ts'
import type { ClientService } from '../transport/smp-link.ts'
import { today, type Core } from './core.ts'
import type { Context } from './outcome.ts'

/**
 * Checks a command against the service of its session: whether the service's role may send it, and who signed for the
 * service (SMP wire format §5.3). An additional signature is there exactly in service sessions; a command that a service
 * signs alone is signed with its session key and names the service; other commands carry no signature of a service.
 */
export function serviceError(context: Context, transmission: Transmission, type: CommandType): SmpError | undefined {
  const row = commandTable[type]
  const service = context.forwarded ? undefined : context.session.link.service
  if (service !== undefined && row.service !== 'any' && row.service !== service.role) {
    return { type: 'CMD', error: 'PROHIBITED' }
  }
  return isServiceSigned(service, transmission, row.serviceSignature) ? undefined : { type: 'SERVICE' }
}

function isServiceSigned(
  service: ClientService | undefined,
  { serviceSignature, authorization, authorized, entityId }: Transmission,
  required: 'none' | 'additional' | 'only',
): boolean {
  if (required === 'only') {
    return (
      service !== undefined &&
      serviceSignature === undefined &&
      authorization.type === 'ed25519' &&
      entityId === service.serviceId &&
      verifySignature(service.sessionKey, authorized, authorization.signature)
    )
  }
  if (service === undefined || required === 'none') return serviceSignature === undefined
  return serviceSignature !== undefined && verifySignature(service.sessionKey, authorized, serviceSignature)
}

/**
 * The id of the service behind a certificate; undefined when it is known with another role. A new service is not stored
 * before it has an association (see {@link storeService}), and has the same id all the same whenever it comes:
 * handshakes alone leave nothing behind.
 */
export async function lookupService(
  { engine, serviceIdKey: key }: Core,
  { certHash, role }: ServiceHello,
): Promise<ServiceId | undefined> {
  const known = await engine.run(
    () => ({ certHash }),
    (store) => store.serviceByCertHash(certHash),
  )
  if (known !== undefined) return known.role === role ? known.serviceId : undefined
  const mac = createHmac('sha256', key).update(certHash).digest()
  return idFromBytes<ServiceId>(mac.subarray(0, ID_SIZE))
}

/** Whether the service of a session, if it has one, may get associations: not when it is known with another role by now. */
export function mayAssociate({ core, session }: Context): boolean {
  const { service } = session.link
  if (service === undefined) return true
  const known = core.store.serviceByCertHash(service.certHash)
  return known === undefined || (known.role === service.role && known.serviceId === service.serviceId)
}

/** Stores the service of a session with its first association, in the same turn. */
export function storeService({ core, session }: Context): void {
  const { service } = session.link
  if (service === undefined || core.store.service(service.serviceId) !== undefined) return
  const { serviceId, role, certificates, certHash } = service
  core.store.addService({ serviceId, role, certificates, certHash, createdAt: today(core) })
}

/** The secret that ids of new services are derived with, from the relay's private key. */
export function serviceIdKey(keyPem: string): Buffer {
  return Buffer.from(hkdfSync('sha256', keyPem, '', 'smp-onion service ids', 32))
}
