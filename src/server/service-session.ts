import { verifySignature } from '../crypto/verify.ts'
import { commandTable, type CommandType } from '../protocol/command-table.ts'
import type { SmpError } from '../protocol/errors.ts'
import { idFromBytes, type ServiceId } from '../protocol/ids.ts'
import { ID_SIZE } from '../protocol/limits.ts'
import type { Transmission } from '../protocol/transmission.ts'
import type { ServiceRec } from '../store/store.ts'
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
 * The service behind a certificate: known by its identity certificate, or created now and durable before the answer.
 * Undefined when it is known with another role, or cannot be stored.
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
