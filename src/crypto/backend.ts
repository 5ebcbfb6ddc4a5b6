import { portableBackend } from './portable.ts'
import type { CryptoBackend } from './primitives.ts'
import { loadSodium } from './sodium.ts'

/** libsodium, or undefined where the native package is not installed or does not load. */
export const sodiumBackend: CryptoBackend | undefined = await loadSodium()

export { portableBackend, type CryptoBackend }

/** The back end in use: libsodium where it loads, else the portable one. */
export const backend: CryptoBackend = sodiumBackend ?? portableBackend
