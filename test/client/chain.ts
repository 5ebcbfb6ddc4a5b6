import { hkdfSync } from 'node:crypto'
import { boxKey, open, seal } from './box.ts'
import { pad, unpad } from './encoding.ts'

const hkdf = (secret: Uint8Array, salt: Uint8Array, info: string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha512', secret, salt, info, length))

/** One direction of the block encryption: each block has its own key and nonce. */
class KeyChain {
  #chain: Buffer

  constructor(chain: Buffer) {
    this.#chain = chain
  }

  next(): { key: Buffer; nonce: Buffer } {
    const step = hkdf(this.#chain, Buffer.alloc(0), 'SimpleXSbChain', 88)
    this.#chain = step.subarray(0, 32)
    return { key: boxKey(step.subarray(32, 64)), nonce: step.subarray(64) }
  }
}

/** Block encryption as a client does it (v≥11, own key sent, not a proxy). */
export class ClientBlockCipher {
  readonly #send: KeyChain
  readonly #receive: KeyChain

  constructor(sessionId: Buffer, dhSecret: Buffer) {
    const chains = hkdf(dhSecret, sessionId, 'SimpleXSbChainInit', 64)
    this.#receive = new KeyChain(chains.subarray(0, 32))
    this.#send = new KeyChain(chains.subarray(32))
  }

  sealBlock(payload: Buffer): Buffer {
    const { key, nonce } = this.#send.next()
    return seal(key, nonce, pad(payload, 16368))
  }

  openBlock(block: Buffer): Buffer {
    const { key, nonce } = this.#receive.next()
    return unpad(open(key, nonce, block))
  }
}
