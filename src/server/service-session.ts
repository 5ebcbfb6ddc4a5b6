import { verifySignature } from '../crypto/verify.ts'
import type { Command } from '../protocol/command.ts'
import type { SmpError } from '../protocol/errors.ts'
import { idFromBytes, type ServiceId } from '../protocol/ids.ts'
import { ID_SIZE } from '../protocol/limits.ts'
import type { Transmission } from '../protocol/transmission.ts'
import type { ServiceRec } from '../store/store.ts'
import type { ServiceHello } from '../transport/server-handshake.ts'
import type { ClientService } from '../transport/smp-link.ts'
import { today, type Core } from './core.ts'

type CommandType = Command['type']

/** Commands for which a service session signs twice: with the queue's key, and with its session key. */
const SIGNED_TWICE: readonly CommandType[] = ['NEW', 'SUB', 'NSUB']

/** Whether a service of this role may send this command: M everything of clients, N notifier commands, P forwarded ones. */
export function roleAllows(role: ClientService['role'], type: CommandType): boolean {
  switch (type) {
    case 'PING':
      return true
    case 'NSUB':
    case 'NSUBS':
      return role === 'N'
    case 'RFWD':
      return role === 'P'
    default:
      return role === 'M'
  }
}

/**
 * Checks who signed for the service (SMP wire format §5.3): NEW, SUB and NSUB carry a second signature exactly in
 * service sessions; SUBS and NSUBS are signed with the service's session key itself and name the service; nothing else
 * carries one.
 */
export function serviceSignatureError(
  service: ClientService | undefined,
  transmission: Transmission,
  type: CommandType,
): SmpError | undefined {
  const { serviceSignature, authorization, authorized } = transmission
  if (type === 'SUBS' || type === 'NSUBS') {
    const signed =
      service !== undefined &&
      serviceSignature === undefined &&
      authorization.type === 'ed25519' &&
      transmission.entityId === service.serviceId &&
      verifySignature(service.sessionKey, authorized, authorization.signature)
    return signed ? undefined : { type: 'SERVICE' }
  }
  if (service !== undefined && SIGNED_TWICE.includes(type)) {
    const signed = serviceSignature !== undefined && verifySignature(service.sessionKey, authorized, serviceSignature)
    return signed ? undefined : { type: 'SERVICE' }
  }
  return serviceSignature === undefined ? undefined : { type: 'SERVICE' }
}

/**
 * The service behind a certificate: known by its identity certificate, or made now and durable before the answer.
 * Undefined when it is known with another role, or cannot be kept.
 */
export async function lookupService(core: Core, request: ServiceHello): Promise<ServiceId | undefined> {
  const { store } = core
  const known = store.serviceByCertHash(request.certHash)
  if (known !== undefined) return known.role === request.role ? known.serviceId : undefined
  const service: ServiceRec = {
    serviceId: idFromBytes<ServiceId>(core.random(ID_SIZE)),
    role: request.role,
    certificates: request.certificates,
    certHash: request.certHash,
    createdAt: today(core),
  }
  if (store.addService(service) === 'taken') return undefined
  return store.flushed().then(
    () => service.serviceId,
    () => undefined,
  )
}
