import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { boxKey, seal, sealPadded } from '../../src/crypto/box.ts'
import { decodeSpki, type DhKey, type PublicKey } from '../../src/crypto/keys.ts'
import { encodeCommand } from '../../src/protocol/command.ts'
import { idFromBytes, NO_ENTITY, type RcvId, type SndId } from '../../src/protocol/ids.ts'
import { PROXIED_PADDED_SIZE } from '../../src/protocol/limits.ts'
import { encodeFwdTransmission } from '../../src/protocol/proxy-messages.ts'
import { encodeTransmission, packBlocks, parsePayload, transmissionContext } from '../../src/protocol/transmission.ts'
import { unpad } from '../../src/crypto/pad.ts'
import { openMemoryRelay } from '../fuzz/memory-relay.ts'
import vectors from '../vectors/vectors.json' with { type: 'json' }

const { proxy } = vectors
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const context = transmissionContext(proxy.version, hex(proxy.relaySessionId))
const sndId = idFromBytes<SndId>(hex('80356137f0f3f0063d5623c95f6c2e52907dd1296325477e'))
const [innerNonce, proxyNonce] = [hex(proxy.innerNonce_corrId), hex(proxy.proxyNonce_corrId)]

const publicKeyOf = (pkcs8Prefix: string, raw: string): PublicKey => {
  const key = createPrivateKey({ key: hex(pkcs8Prefix + raw), format: 'der', type: 'pkcs8' })
  const spki = decodeSpki(createPublicKey(key).export({ format: 'der', type: 'spki' }))
  if (!spki) throw new Error('no key')
  return spki
}
const ed25519 = (raw: string): PublicKey<'ed25519'> => {
  const key = publicKeyOf('302e020100300506032b657004220420', raw)
  if (key.alg !== 'ed25519') throw new Error('another key')
  return { alg: key.alg, raw: key.raw }
}
const x25519 = (raw: string): DhKey => {
  const key = publicKeyOf('302e020100300506032b656e04220420', raw)
  if (key.alg !== 'x25519') throw new Error('another key')
  return { alg: key.alg, raw: key.raw }
}

const relay = openMemoryRelay((size) => Buffer.alloc(size, 1))
afterEach(() => relay.close())

it('a relay opens the RFWD of the vectors, does the SEND inside, and answers with their RRES byte for byte', async () => {
  const rcvId = idFromBytes<RcvId>(Buffer.alloc(24, 2))
  relay.store.addQueue({
    rcvId,
    sndId,
    recipientKeys: [],
    rcvDhSecret: Buffer.alloc(32),
    senderKey: ed25519(proxy.senderEd25519Priv),
    status: { type: 'active' },
  })
  const connection = relay.connect({
    version: proxy.version,
    sessionId: hex(proxy.relaySessionId),
    sessionKeys: { privateKey: hex(proxy.relaySessionDhPriv), publicKey: x25519(proxy.relaySessionDhPriv) },
    sessionSecret: hex(proxy.sessSecret),
    proxy: true,
  })
  const inner = hex(proxy.innerBatchUnpadded)
  const encTransmission = sealPadded(boxKey(hex(proxy.cmdSecret)), innerNonce, inner, PROXIED_PADDED_SIZE)
  const key = x25519(proxy.cmdKeyPriv)
  const fwd = encodeFwdTransmission({ corrId: innerNonce, version: proxy.version, key, encTransmission })
  const encFwdTransmission = seal(boxKey(hex(proxy.sessSecret)), proxyNonce, fwd)
  const command = encodeCommand({ type: 'RFWD', encFwdTransmission }, proxy.version)
  const rfwd = encodeTransmission(proxyNonce, NO_ENTITY, command, context)
  expect(rfwd.length - 1).toBe(proxy.RFWD_transmission.length)
  for (const payload of packBlocks([rfwd])) connection.feedPayload(payload)
  for (let turn = 0; turn < 20 && connection.written.length === 0; turn++) await new Promise(setImmediate)

  const [block] = connection.written
  const [rres] = parsePayload(unpad(block ?? Buffer.alloc(0)) ?? Buffer.alloc(0)) ?? []
  if (!rres) throw new Error('no RRES came')
  // The transmissions of the vectors are without their empty authorization.
  expect(rres.length - 1).toBe(proxy.RRES_transmission.length)
  expect(createHash('sha256').update(rres.subarray(1)).digest('hex')).toBe(proxy.RRES_transmission.sha256)
  expect(relay.store.firstMessage(rcvId)).toMatchObject({ body: Buffer.from('hello'), notify: false })
  expect(relay.faults).toEqual([])
})
