import { backend, type CryptoBackend } from './backend.ts'
import { boxKeyInto, openPaddedInPlace, sealPaddedInto, TAG_LENGTH, type BoxKey } from './box.ts'
import { hkdfSha512 } from './hkdf.ts'

// SMP wire format, block encryption (v11 and later):
//   okm = HKDF-SHA512(salt = session id, secret = DH secret, info = "SimpleXSbChainInit", 64)
//   server's send chain = okm[0..32], server's receive chain = okm[32..64]; the client has them swapped
// and for each block, whether or not it can be opened:
//   okm = HKDF-SHA512(salt = "", secret = chain, info = "SimpleXSbChain", 88) = next chain(32) ‖ key(32) ‖ nonce(24)

const initInfo = Buffer.from('SimpleXSbChainInit')
const stepInfo = Buffer.from('SimpleXSbChain')
const noSalt = Buffer.alloc(0)

export const BLOCK_LENGTH = 16384
const CHAIN_LENGTH = 32
/** Where the payload begins in an encrypted block: behind tag and length. */
export const PAYLOAD_OFFSET = TAG_LENGTH + 2
/** The longest payload of an encrypted block: 16384 - 16 (tag) - 2 (length). */
export const MAX_ENCRYPTED_PAYLOAD = BLOCK_LENGTH - TAG_LENGTH - 2

export interface ChainStep {
  /** 32 bytes: the chain of the next block. */
  readonly next: Buffer
  readonly key: BoxKey
  /** 24 bytes */
  readonly nonce: Buffer
}

/** One step of a chain (32 bytes): the key and nonce of one block, already after the HSalsa20 step. */
export function chainStep(chain: Uint8Array, using: CryptoBackend = backend): ChainStep {
  const okm = hkdfSha512(noSalt, chain, stepInfo, 88, using)
  const key = okm.subarray(32, 64)
  return { next: okm.subarray(0, 32), key: boxKeyInto(key, key), nonce: okm.subarray(64, 88) }
}

/** The two first chains of a session, named from the server's side. */
export function initChains(
  sessionId: Uint8Array,
  dhSecret: Uint8Array,
  using: CryptoBackend = backend,
): { serverSends: Buffer; clientSends: Buffer } {
  const okm = hkdfSha512(sessionId, dhSecret, initInfo, 64, using)
  return { serverSends: okm.subarray(0, 32), clientSends: okm.subarray(32, 64) }
}

/** Encrypts and decrypts the blocks of one connection, each direction in order. */
export class BlockCipher {
  /** Overwritten at every step: a chain cannot go back, and does not keep the memory that it was derived in. */
  readonly #sendChain: Buffer
  readonly #receiveChain: Buffer
  readonly #using: CryptoBackend

  /** @param sendChain 32 bytes, copied; `receiveChain` likewise */
  constructor(sendChain: Uint8Array, receiveChain: Uint8Array, using: CryptoBackend = backend) {
    const chains = Buffer.allocUnsafeSlow(2 * CHAIN_LENGTH)
    this.#sendChain = chains.subarray(0, CHAIN_LENGTH)
    this.#receiveChain = chains.subarray(CHAIN_LENGTH)
    this.#sendChain.set(sendChain)
    this.#receiveChain.set(receiveChain)
    this.#using = using
  }

  /**
   * One block (16384 bytes) with `payload` (at most 16366 bytes); throws RangeError when it does not fit.
   *
   * @param block what is filled; `payload` may already stand in it, at {@link PAYLOAD_OFFSET}
   */
  sealBlock(payload: Uint8Array, block = Buffer.allocUnsafeSlow(BLOCK_LENGTH)): Buffer {
    if (payload.length > MAX_ENCRYPTED_PAYLOAD) {
      throw new RangeError(`a payload of ${payload.length} bytes does not fit into an encrypted block`)
    }
    const { next, key, nonce } = chainStep(this.#sendChain, this.#using)
    sealPaddedInto(block, key, nonce, payload, this.#using)
    this.#sendChain.set(next)
    return block
  }

  /**
   * The payload of one block, decrypted in place: a view of `block`. undefined when it cannot be opened; the chain has
   * advanced nevertheless, so the next block can be.
   */
  openBlock(block: Buffer): Buffer | undefined {
    const { next, key, nonce } = chainStep(this.#receiveChain, this.#using)
    this.#receiveChain.set(next)
    return openPaddedInPlace(key, nonce, block, this.#using)
  }
}

/** The server's side of block encryption: `sessionId` 12 or 32 bytes, `dhSecret` 32 bytes. */
export function serverBlockCipher(
  sessionId: Uint8Array,
  dhSecret: Uint8Array,
  using: CryptoBackend = backend,
): BlockCipher {
  const { serverSends, clientSends } = initChains(sessionId, dhSecret, using)
  return new BlockCipher(serverSends, clientSends, using)
}

/** The client's side of block encryption. */
export function clientBlockCipher(
  sessionId: Uint8Array,
  dhSecret: Uint8Array,
  using: CryptoBackend = backend,
): BlockCipher {
  const { serverSends, clientSends } = initChains(sessionId, dhSecret, using)
  return new BlockCipher(clientSends, serverSends, using)
}
