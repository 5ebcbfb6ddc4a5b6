import { readFile } from 'node:fs/promises'
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { expect, it } from 'vitest'
import { encodeTransmission, type SessionAuth } from './authorization.ts'
import { boxKey, nonceOf, seal } from './box.ts'
import { createServiceCertificate, openSignedKey, signKey } from './certificates.ts'
import { ClientBlockCipher } from './chain.ts'
import { commands } from './commands.ts'
import { encodeClientHello, parseServerHello } from './hello.ts'
import { generateKey, spkiPrefix, x25519PublicKey, type AuthAlg, type AuthKey } from './keys.ts'
import { decryptMessage } from './queue.ts'
import { parseReply } from './replies.ts'
import { pad } from './encoding.ts'
import { senderIdFor } from './client.ts'

type Vectors = Record<string, unknown>
const vectors = JSON.parse(await readFile(new URL('../vectors/vectors.json', import.meta.url), 'utf8')) as Vectors

const at = (path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Vectors | undefined)?.[key], vectors)
const text = (path: string): string => {
  const value = at(path)
  if (typeof value !== 'string') throw new Error(`no text at ${path}`)
  return value
}
const hex = (path: string): Buffer => Buffer.from(text(path), 'hex')
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

const pkcs8 = {
  ed25519: '302e020100300506032b657004220420',
  ed448: '3047020100300506032b6571043b0439',
  x25519: '302e020100300506032b656e04220420',
}
const authKey = <Alg extends AuthAlg>(alg: Alg, raw: Buffer, spki: Buffer): AuthKey<Alg> => ({
  alg,
  spki,
  privateKey: createPrivateKey({
    key: Buffer.from(pkcs8[alg] + raw.toString('hex'), 'hex'),
    format: 'der',
    type: 'pkcs8',
  }),
})

const session = (version: number): SessionAuth => ({
  version,
  sessionId: hex('authorization.sessionId'),
  serverKey: x25519PublicKey(hex('authorization.x25519.serverSessionSpki')),
  authenticatorKeys: new WeakMap(),
  service: {
    certHash: hex('authorization.serviceSigned.certHash'),
    sessionKey: authKey(
      'ed25519',
      hex('authorization.serviceSigned.serviceKeyPriv'),
      hex('authorization.serviceSigned.serviceSpki'),
    ),
  },
})

const ed25519 = authKey('ed25519', hex('authorization.ed25519.priv'), hex('authorization.ed25519.spki'))
const ed448 = authKey('ed448', hex('authorization.ed448.priv'), hex('authorization.ed448.spki'))
const x25519 = authKey('x25519', hex('authorization.x25519.queuePriv'), hex('authorization.x25519.queueSpki'))

it.each([
  ['an Ed25519 signature in v7', 7, ed25519, false, 'authorization.ed25519.encodedV7'],
  ['an Ed25519 signature in v16', 16, ed25519, false, 'authorization.ed25519.encodedV16'],
  ['an Ed448 signature in v16', 16, ed448, false, 'authorization.ed448.encodedV16'],
  ['an X25519 authenticator in v16', 16, x25519, false, 'authorization.x25519.encodedV16'],
  ['both signatures of a service', 16, ed25519, true, 'authorization.serviceSigned.encodedV16'],
])('the test client encodes SUB with %s', (_, version, key, serviceSigned, expected) => {
  const command = { entityId: hex('authorization.entityId'), bytes: commands.sub(), key, serviceSigned }
  const encoded = encodeTransmission(session(version), hex('authorization.corrId'), command)
  expect(encoded.toString('hex')).toBe(text(expected))
})

it('the test client encrypts and decrypts the first blocks of a session', () => {
  const cipher = new ClientBlockCipher(hex('blockEncryption.sessionId'), hex('blockEncryption.dhSecret'))
  const sealed = cipher.sealBlock(hex('blockEncryption.clientPingV20.unpadded'))
  expect(sha256(sealed)).toBe(text('blockEncryption.clientPingV20.encryptedBlock.sha256'))
  expect(sha256(cipher.sealBlock(hex('blockEncryption.clientSecondBlock_SUB.unpadded')))).toBe(
    text('blockEncryption.clientSecondBlock_SUB.encryptedBlock.sha256'),
  )
  const serverKey = boxKey(hex('blockEncryption.serverSend1.key'))
  const pong = hex('blockEncryption.serverPongV20.unpadded')
  const block = seal(serverKey, hex('blockEncryption.serverSend1.nonce'), pad(pong, 16368))
  expect(sha256(block)).toBe(text('blockEncryption.serverPongV20.encryptedBlock.sha256'))
  expect(cipher.openBlock(block).equals(pong)).toBe(true)
})

it('the test client reads the server hello and accepts the signed key in it', () => {
  const hello = parseServerHello(hex('handshake.serverV6to19.unpadded'))
  expect([hello.minVersion, hello.maxVersion]).toEqual([6, 19])
  const leaf = hello.certificateKey?.chain[0] ?? Buffer.alloc(0)
  expect(openSignedKey(hello.certificateKey?.signedKey ?? Buffer.alloc(0), leaf).subarray(0, 12)).toEqual(
    spkiPrefix.x25519,
  )
  const wrong = Buffer.from(hello.certificateKey?.signedKey ?? Buffer.alloc(0))
  wrong[20] = (wrong[20] ?? 0) ^ 1
  expect(() => openSignedKey(wrong, leaf)).toThrow()
})

it.each([
  ['v6', 6, false],
  ['v7_nokey', 7, false],
  ['v7_key', 7, true],
  ['v11_key', 11, true],
  ['v14_key', 14, true],
  ['v14_nokey', 14, false],
  ['v16_key_noservice', 16, true],
  ['v19_key_noservice', 19, true],
])('the test client encodes its hello as in %s', (name, version, withKey) => {
  const expected = text(`handshake.client.${name}`)
  const keyHash = hex('handshake.client.v6').subarray(3)
  const keySpki = withKey ? hex('blockEncryption.clientPubSpki') : undefined
  expect(encodeClientHello({ version, keyHash, keySpki }).toString('hex')).toBe(expected)
})

it('the test client encodes KEY, SKEY, ACK and SEND as in the vectors', () => {
  const spki = hex('authorization.ed25519.spki')
  expect(commands.key(spki)).toEqual(hex('commands.KEY'))
  expect(commands.skey(spki)).toEqual(hex('commands.SKEY'))
  expect(commands.send(Buffer.from('hello'), true)).toEqual(hex('commands.SEND'))
  expect(commands.ack(hex('messageDelivery.msgIdNonce'))).toEqual(hex('commands.ACK'))
  expect(senderIdFor(hex('commands.senderIdFromCorrId.corrId')).toString('hex')).toBe(
    text('commands.senderIdFromCorrId.sha3_384_first24'),
  )
})

it.each([
  ['v6_noauth_subscribe', 6, undefined, undefined],
  ['v6_auth_pw', 6, 'password', undefined],
  ['v9_noauth_sndSecure', 9, undefined, 'messaging' as const],
  ['v15_messaging_nolink', 15, undefined, 'messaging' as const],
])('the test client encodes NEW as in %s', (name, version, password, mode) => {
  const expected = hex(`commands.NEW.${name}`)
  const authSpki = expected.subarray(5, 49)
  const dhSpki = expected.subarray(50, 94)
  const written = commands.new(version, { authSpki, dhSpki, mode, password: password && passwordIn(expected) })
  expect(written.toString('hex')).toBe(expected.toString('hex'))
})

const passwordIn = (bytes: Buffer): string => {
  const length = bytes[95] ?? 0
  return bytes.toString('latin1', 96, 96 + length)
}

it.each([
  ['v6', 6],
  ['v9_sndSecure', 9],
  ['v15', 15],
  ['v16', 16],
  ['v17_link_ntf', 17],
])('the test client reads IDS as in %s', (name, version) => {
  const ids = parseReply(hex(`replies.IDS.${name}`), version)
  expect(ids).toMatchObject({ type: 'IDS', sndId: hex('replies.IDS.v6').subarray(30, 54) })
})

it('the test client decrypts a delivered message', () => {
  const box = boxKey(hex('messageDelivery.dhSecret'))
  const messageId = hex('messageDelivery.msgIdNonce')
  const encrypted = seal(box, nonceOf(messageId), pad(hex('messageDelivery.rcvMsgBodyUnpadded'), 16106))
  expect(sha256(encrypted)).toBe(text('messageDelivery.encrypted.sha256'))
  expect(decryptMessage(box, { type: 'MSG', messageId, encrypted })).toEqual({
    type: 'message',
    id: messageId,
    timestamp: 1700000000,
    notify: true,
    body: Buffer.from('hello'),
  })
})

it('the test client makes service certificates that verify themselves', () => {
  const { chain, key } = createServiceCertificate()
  const certificate = new X509Certificate(chain[0] ?? Buffer.alloc(0))
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  const session = generateKey('ed25519')
  expect(openSignedKey(signKey(session.spki, key), chain[0] ?? Buffer.alloc(0))).toEqual(session.spki)
})
