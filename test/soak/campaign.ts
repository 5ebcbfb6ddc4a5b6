/** Something that is done over and over to a relay, to find what happens once in a thousand times. */
export interface Campaign {
  readonly name: string
  /** One line for the list of campaigns. */
  readonly about: string
  /** How many rounds `npm run soak` makes of it. */
  readonly rounds: number
  /** @param seed decides everything that is left to chance, so that a round can be repeated */
  prepare(seed: number): Promise<CampaignRun>
}

export interface CampaignRun {
  /**
   * Does it once, and throws when anything is not as promised.
   *
   * @returns what was counted or measured in this round, by name; durations are in milliseconds and end in `Ms`
   */
  round(index: number): Promise<Readonly<Record<string, number>>>
  /** Ends every process. Files stay when a round has failed. */
  end(keepFiles: boolean): Promise<void>
  /** Where the files are that a failed round leaves. */
  readonly directory: string
}

/** Numbers in [0, 1) that the seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
