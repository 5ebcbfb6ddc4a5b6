import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { authenticate, verifyAuthenticator } from '../../src/crypto/authenticator.ts'
import { boxKey, cbNonce, seal } from '../../src/crypto/box.ts'
import { BLOCK_LENGTH, clientBlockCipher, MAX_ENCRYPTED_PAYLOAD, serverBlockCipher } from '../../src/crypto/chain.ts'
import { generateDhKeyPair, generateSigningKey, sign } from '../../src/crypto/keys.ts'
import { verifySignature } from '../../src/crypto/verify.ts'
import { serveCalls } from './calls.ts'

/** Processor time, ms, of each thing that a relay cannot leave out for a message. */
export interface CryptoFloor {
  /** Opening a block: a step of the key chain and a box of 16 KiB. */
  readonly openBlock: number
  readonly sealBlock: number
  /** The TLS record of one block, each way. */
  readonly openRecord: number
  readonly sealRecord: number
  /** The authorisation of SEND and of ACK. */
  readonly verifySend: number
  readonly verifyAck: number
  /** The box in which a message leaves for its recipient. */
  readonly sealMessage: number
}

const BATCH = 64
const ROUND_MS = 200
const MESSAGE_PLAINTEXT = 16_106
/** Session id, correlation id, entity id and command word around the body of SEND, about. */
const SEND_OVERHEAD = 90
const ACK_SIZE = 110

/** Processor time of one `act`, ms; what `prepare` does is not counted. */
const cost = <T>(prepare: () => T, act: (prepared: T) => void): number => {
  const round = (forMs: number): number => {
    let used = 0
    let count = 0
    const until = performance.now() + forMs
    while (performance.now() < until) {
      const prepared = Array.from({ length: BATCH }, prepare)
      const before = process.cpuUsage()
      for (const one of prepared) act(one)
      const { user, system } = process.cpuUsage(before)
      used += user + system
      count += BATCH
    }
    return used / count / 1000
  }
  round(ROUND_MS / 2)
  return Math.min(round(ROUND_MS), round(ROUND_MS))
}

const nothing = (): void => undefined

const authorisation = (auth: 'ed25519' | 'x25519', size: number): number => {
  const authorized = randomBytes(size)
  if (auth === 'ed25519') {
    const key = generateSigningKey('ed25519')
    const signature = sign(key, authorized)
    return cost(nothing, () => {
      if (!verifySignature(key.publicKey, authorized, signature)) throw new Error('a signature is wrong')
    })
  }
  const queue = generateDhKeyPair()
  const relay = generateDhKeyPair()
  const corrId = randomBytes(24)
  const authenticator = authenticate(relay.publicKey, queue.privateKey, corrId, authorized) ?? Buffer.alloc(0)
  return cost(nothing, () => {
    if (!verifyAuthenticator(queue.publicKey, relay.privateKey, corrId, authorized, authenticator))
      throw new Error('an authenticator is wrong')
  })
}

const tlsRecords = (): { openRecord: number; sealRecord: number } => {
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  const plain = randomBytes(BLOCK_LENGTH + 1)
  const authTagLength = 16
  const sealing = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength })
  const encrypted = sealing.update(plain)
  sealing.final()
  const tag = sealing.getAuthTag()
  return {
    sealRecord: cost(nothing, () => {
      const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength })
      cipher.update(plain)
      cipher.final()
    }),
    openRecord: cost(nothing, () => {
      const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength })
      decipher.setAuthTag(tag)
      decipher.update(encrypted)
      decipher.final()
    }),
  }
}

const calls = {
  cryptoFloor({ auth, bodySize }: { auth: 'ed25519' | 'x25519'; bodySize: number }): CryptoFloor {
    const sessionId = randomBytes(32)
    const secret = randomBytes(32)
    const client = clientBlockCipher(sessionId, secret)
    const relay = serverBlockCipher(sessionId, secret)
    const payload = randomBytes(Math.min(bodySize + 200, MAX_ENCRYPTED_PAYLOAD))
    const plaintext = randomBytes(MESSAGE_PLAINTEXT)
    const messageId = randomBytes(24)
    return {
      openBlock: cost(
        () => client.sealBlock(payload),
        (block) => {
          if (!relay.openBlock(block)) throw new Error('a block does not open')
        },
      ),
      sealBlock: cost(nothing, () => relay.sealBlock(payload)),
      ...tlsRecords(),
      verifySend: authorisation(auth, bodySize + SEND_OVERHEAD),
      verifyAck: authorisation(auth, ACK_SIZE),
      sealMessage: cost(nothing, () => seal(boxKey(secret), cbNonce(messageId), plaintext)),
    }
  },
}

export type FloorCalls = typeof calls

serveCalls(calls)
