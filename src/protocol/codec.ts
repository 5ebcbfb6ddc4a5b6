import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** How the parameters of one command or reply are read and written; the word itself is not part of it. */
export interface Codec<T> {
  readonly parse: (r: Reader, version: number) => T
  readonly encode: (w: Writer, value: T, version: number) => void
}

/** A message that is nothing but its word. */
export function bare<W extends string>(type: W): Codec<{ readonly type: W }> {
  const value = { type }
  return { parse: () => value, encode: () => undefined }
}
