import { portableBackend, sodiumBackend, type CryptoBackend } from '../../../src/crypto/backend.ts'

/** Every implementation that loads here: the same suites run on each. */
export const backends: CryptoBackend[] = [...(sodiumBackend ? [sodiumBackend] : []), portableBackend]

export const hex = (text: string): Buffer => Buffer.from(text, 'hex')
