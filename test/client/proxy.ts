import { boxKey, nonceOf, open, reversed, seal, type BoxKey } from './box.ts'
import { encodeTransmission, type Command, type SessionAuth } from './authorization.ts'
import { checkChain, openSignedKey } from './certificates.ts'
import { commands } from './commands.ts'
import { large, pad, Reader, short, unpad, word16 } from './encoding.ts'
import { agree, generateKey, x25519PublicKey } from './keys.ts'
import { parsePayload, parseTransmission, type Received, type ReplyOf } from './replies.ts'

/** What PKEY told about the relay behind the proxy. */
export interface ForwardedRelay {
  readonly sessionId: Buffer
  readonly version: number
  readonly keySpki: Buffer
}

export const relayBehindProxy = (pkey: ReplyOf<'PKEY'>, keyHash: Buffer, maxVersion = 20): ForwardedRelay => {
  checkChain(pkey.chain, keyHash)
  const [leaf] = pkey.chain
  if (!leaf) throw new Error('an empty chain')
  const keySpki = openSignedKey(pkey.signedKey, leaf)
  return { sessionId: pkey.sessionId, version: Math.min(pkey.maxVersion, maxVersion), keySpki }
}

/** One command sealed for the relay; `open` reads the relay's answer. */
export interface ForwardedCommand {
  readonly keySpki: Buffer
  readonly sealed: Buffer
  open(encResponse: Buffer): Received
}

/** Seals a command for the relay, under the corrId with which PFWD will be sent. */
export const forward = (relay: ForwardedRelay, corrId: Buffer, command: Command): ForwardedCommand => {
  const session: SessionAuth = {
    version: relay.version,
    sessionId: relay.sessionId,
    serverKey: x25519PublicKey(relay.keySpki),
    authenticatorKeys: new WeakMap(),
    service: undefined,
  }
  const transmission = encodeTransmission(session, corrId, command)
  return forwardPayload(relay, corrId, Buffer.concat([Buffer.of(1), large(transmission)]))
}

/** Seals any bytes in place of the payload of a block. */
export const forwardPayload = (relay: ForwardedRelay, corrId: Buffer, payload: Buffer): ForwardedCommand => {
  const own = generateKey('x25519')
  const box = boxKey(agree(own, relay.keySpki))
  const nonce = nonceOf(corrId)
  return {
    keySpki: own.spki,
    sealed: seal(box, nonce, pad(payload, 16226)),
    open: (encResponse) => {
      const [only, ...others] = parsePayload(unpad(open(box, reversed(nonce), encResponse)))
      if (!only || others.length > 0) throw new Error('one transmission wanted')
      return parseTransmission(only, relay.version, relay.sessionId)
    },
  }
}

export const pfwd = (relay: ForwardedRelay, forwarded: ForwardedCommand): Command => ({
  entityId: relay.sessionId,
  bytes: commands.pfwd(relay.version, forwarded.keySpki, forwarded.sealed),
})

/** The proxy's own part: RFWD under `corrId`, for sessions with proxyServer set. */
export const rfwd = (
  sessionSecret: BoxKey,
  corrId: Buffer,
  clientCorrId: Buffer,
  version: number,
  forwarded: ForwardedCommand,
): Command => {
  const plain = Buffer.concat([short(clientCorrId), word16(version), short(forwarded.keySpki), forwarded.sealed])
  return { entityId: Buffer.alloc(0), bytes: commands.rfwd(seal(sessionSecret, nonceOf(corrId), plain)) }
}

/** What RRES holds: the client's corrId and the response sealed for it. */
export const openRres = (
  sessionSecret: BoxKey,
  corrId: Buffer,
  rres: ReplyOf<'RRES'>,
): { corrId: Buffer; encResponse: Buffer } => {
  const reader = new Reader(open(sessionSecret, reversed(nonceOf(corrId)), rres.encrypted))
  return { corrId: reader.short(), encResponse: reader.tail() }
}
