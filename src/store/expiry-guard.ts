/** A clock that is further ahead than this of where it should be is not believed: seconds. */
export const PLAUSIBLE_GAP = 2 * 86_400

export interface ExpiryGuardOptions {
  /** Seconds since the epoch: when the relay ran last, by a clock that was believed. Undefined for a new store. */
  readonly lastSeen: number | undefined
  /** Seconds since the epoch, by the clock of the machine. */
  readonly wall: () => number
  /** Seconds, never set by anybody. */
  readonly monotonic: () => number
  /** Whether somebody says that the clock is right: asked while it is not believed. */
  readonly isConfirmed: () => boolean
  /** Called once, when the clock is not believed: days ahead (positive) or behind. */
  readonly onDoubt?: (days: number) => void
}

/**
 * Keeps undelivered messages from expiring because of a wrong clock. Time goes on from when the relay ran last, at the
 * pace of the monotonic clock; the clock of the machine is believed as long as it is not days ahead of that. When it is,
 * nothing expires that would not have expired anyway, until the clock is confirmed.
 */
export class ExpiryGuard {
  readonly #options: ExpiryGuardOptions
  /** What the believed time was when `#anchor` was the monotonic one. */
  #believed: number
  #anchor: number
  #hasWarned = false

  constructor(options: ExpiryGuardOptions) {
    this.#options = options
    this.#believed = options.lastSeen ?? options.wall()
    this.#anchor = options.monotonic()
    const behind = this.#believed - options.wall()
    if (behind > PLAUSIBLE_GAP) this.#warn(-behind)
  }

  /** Seconds since the epoch: what expiry goes by. */
  now(): number {
    const { wall, monotonic, isConfirmed } = this.#options
    const expected = this.#believed + (monotonic() - this.#anchor)
    const present = wall()
    if (present <= expected) return expected
    if (present - expected > PLAUSIBLE_GAP) {
      this.#warn(present - expected)
      if (!isConfirmed()) return expected
    }
    this.#believed = present
    this.#anchor = monotonic()
    return present
  }

  /** A limit for timestamps by the clock of the machine, as one by the believed time. */
  adjust(before: number): number {
    return before - Math.max(0, this.#options.wall() - this.now())
  }

  #warn(ahead: number): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#options.onDoubt?.(Math.round(ahead / 86_400))
  }
}
