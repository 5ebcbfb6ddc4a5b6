import type { OnionMode } from './record.ts'

/** How an onion service is run, apart from its key and its ports. */
export interface OnionShape {
  readonly mode: OnionMode
  /** Proof-of-work defence of the introduction points (Tor proposal 327). */
  readonly pow?: boolean
  /** Streams that one circuit may open; a circuit that wants more is closed. */
  readonly maxStreams?: number | undefined
}

export const plainShape: OnionShape = { mode: 'single-hop' }

/** Lines that tell one shape from another; none for the plain one. */
export function shapeLines({ mode, pow = false, maxStreams }: OnionShape): string[] {
  return [
    ...(mode === 'anonymous' ? ['anonymous'] : []),
    ...(pow ? ['pow'] : []),
    ...(maxStreams === undefined ? [] : [`max-streams ${maxStreams}`]),
  ]
}
