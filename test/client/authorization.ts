import { createHash, diffieHellman, sign, type KeyObject } from 'node:crypto'
import { boxKey, nonceOf, seal, type BoxKey } from './box.ts'
import { ascii, short } from './encoding.ts'
import type { AuthKey } from './keys.ts'

/** What a transmission is signed for; one per connection. */
export interface SessionAuth {
  readonly version: number
  readonly sessionId: Buffer
  readonly serverKey: KeyObject | undefined
  readonly authenticatorKeys: WeakMap<AuthKey, BoxKey>
  readonly service: { readonly certHash: Buffer; readonly sessionKey: AuthKey<'ed25519'> } | undefined
}

const authenticator = (session: SessionAuth, key: AuthKey, corrId: Buffer, authorized: Buffer): Buffer => {
  let shared = session.authenticatorKeys.get(key)
  if (!shared) {
    if (!session.serverKey) throw new Error('X25519 authenticators need the key in the server hello (v≥7)')
    shared = boxKey(diffieHellman({ privateKey: key.privateKey, publicKey: session.serverKey }))
    session.authenticatorKeys.set(key, shared)
  }
  return seal(shared, nonceOf(corrId), createHash('sha512').update(authorized).digest())
}

const authorize = (session: SessionAuth, key: AuthKey, corrId: Buffer, authorized: Buffer): Buffer =>
  key.alg === 'x25519' ? authenticator(session, key, corrId, authorized) : sign(null, authorized, key.privateKey)

export interface Command {
  readonly entityId: Buffer
  readonly bytes: Buffer
  readonly key?: AuthKey | undefined
  /** Adds the second signature that services put on NEW, SUB and NSUB. */
  readonly serviceSigned?: boolean
  /** Replaces the authorization (for wrong ones). */
  readonly authorization?: Buffer
}

/** The bytes of one transmission. */
export const encodeTransmission = (session: SessionAuth, corrId: Buffer, command: Command): Buffer => {
  const sent = Buffer.concat([short(corrId), short(command.entityId), command.bytes])
  const sessionId = short(session.sessionId)
  const authorized = Buffer.concat([sessionId, sent])
  const v6 = session.version < 7
  const service = command.serviceSigned ? session.service : undefined
  if (command.serviceSigned && !service) throw new Error('no service in this session')
  const keyed = service ? Buffer.concat([service.certHash, authorized]) : authorized
  const authorization =
    command.authorization ?? (command.key ? authorize(session, command.key, corrId, keyed) : Buffer.alloc(0))
  const parts = [short(authorization)]
  if (session.version >= 16 && authorization.length > 0) {
    parts.push(ascii(service ? '1' : '0'))
    if (service) parts.push(short(sign(null, authorized, service.sessionKey.privateKey)))
  }
  parts.push(v6 ? authorized : sent)
  return Buffer.concat(parts)
}
