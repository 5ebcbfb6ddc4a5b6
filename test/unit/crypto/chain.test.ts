import { describe, expect, it } from 'vitest'
import { boxKey } from '../../../src/crypto/box.ts'
import { BlockCipher, chainStep, clientBlockCipher, initChains, serverBlockCipher } from '../../../src/crypto/chain.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { backends, hex } from './back-ends.ts'

const vector = vectors.blockEncryption
const sessionId = hex(vector.sessionId)
const secret = hex(vector.dhSecret)

describe.each(backends)('block encryption on the $name back end', (using) => {
  it('derives both chains from the session', () => {
    const { serverSends, clientSends } = initChains(sessionId, secret, using)
    expect(serverSends.toString('hex')).toBe(vector.serverSendChain_clientRcvChain)
    expect(clientSends.toString('hex')).toBe(vector.serverRcvChain_clientSendChain)
  })

  it.each([
    ['first block of the server', vector.serverSendChain_clientRcvChain, vector.serverSend1],
    ['second block of the server', vector.serverSend1.next, vector.serverSend2],
    ['first block of the client', vector.serverRcvChain_clientSendChain, vector.serverRcv1],
    ['second block of the client', vector.serverRcv1.next, vector.clientSecondBlock_SUB.chainStep],
  ])('steps to the %s', (_name, chain, expected) => {
    const { next, key, nonce } = chainStep(hex(chain), using)
    expect(next.toString('hex')).toBe(expected.next)
    expect(key).toEqual(boxKey(hex(expected.key)))
    expect(nonce.toString('hex')).toBe(expected.nonce)
  })

  it('encrypts the blocks of a session in order', () => {
    const client = clientBlockCipher(sessionId, secret, using)
    const server = serverBlockCipher(sessionId, secret, using)
    const sha = (block: Buffer): string => sha256(block).toString('hex')
    expect(sha(client.sealBlock(hex(vector.clientPingV20.unpadded)))).toBe(vector.clientPingV20.encryptedBlock.sha256)
    expect(sha(client.sealBlock(hex(vector.clientSecondBlock_SUB.unpadded)))).toBe(
      vector.clientSecondBlock_SUB.encryptedBlock.sha256,
    )
    expect(sha(server.sealBlock(hex(vector.serverPongV20.unpadded)))).toBe(vector.serverPongV20.encryptedBlock.sha256)
  })

  it('opens what the other side sealed, as a view of the block', () => {
    const client = clientBlockCipher(sessionId, secret, using)
    const server = serverBlockCipher(sessionId, secret, using)
    for (const payload of ['', 'first', 'second', 'x'.repeat(16366)]) {
      const block = client.sealBlock(Buffer.from(payload))
      expect(block.length).toBe(16384)
      const opened = server.openBlock(block)
      expect(opened?.toString()).toBe(payload)
      expect(opened?.buffer).toBe(block.buffer)
    }
    expect(client.openBlock(server.sealBlock(Buffer.from('answer')))?.toString()).toBe('answer')
  })

  it('advances the receive chain even when a block cannot be opened', () => {
    const client = clientBlockCipher(sessionId, secret, using)
    const server = serverBlockCipher(sessionId, secret, using)
    const broken = client.sealBlock(Buffer.from('first'))
    broken[16383] = (broken[16383] ?? 0) ^ 0x80
    expect(server.openBlock(broken)).toBeUndefined()
    expect(server.openBlock(client.sealBlock(Buffer.from('second')))?.toString()).toBe('second')
  })

  it('refuses a block that is repeated or out of order', () => {
    const client = clientBlockCipher(sessionId, secret, using)
    const first = client.sealBlock(Buffer.from('first'))
    const second = client.sealBlock(Buffer.from('second'))
    const server = serverBlockCipher(sessionId, secret, using)
    expect(server.openBlock(second)).toBeUndefined()
    expect(server.openBlock(first)).toBeUndefined()
  })

  it('throws for a payload that is too long, without advancing', () => {
    const client = clientBlockCipher(sessionId, secret, using)
    const server = serverBlockCipher(sessionId, secret, using)
    expect(() => client.sealBlock(Buffer.alloc(16367))).toThrow(RangeError)
    expect(server.openBlock(client.sealBlock(Buffer.from('fits')))?.toString()).toBe('fits')
  })

  it('keeps the two directions apart', () => {
    const same = new BlockCipher(Buffer.alloc(32, 1), Buffer.alloc(32, 2), using)
    expect(same.openBlock(same.sealBlock(Buffer.from('echo')))).toBeUndefined()
  })
})
