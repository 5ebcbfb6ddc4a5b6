import { existsSync, statSync } from 'node:fs'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import { runCommand } from '../system/command.ts'
import { ExpiryGuard, PLAUSIBLE_GAP } from './expiry-guard.ts'
import { confirmedTime, readLastSeen, writeLastSeen } from './last-seen.ts'
import type { Store } from './store.ts'

const REMEMBER_EVERY_MS = 3_600_000
/** How often somebody is asked whether the clock is right. */
const ASK_EVERY_MS = 60_000

export interface StoreClockOptions {
  readonly paths: Paths
  readonly log: Logger
  readonly now: () => Date
  /** Whether the system says that NTP has set its clock. */
  readonly isSynchronized?: () => Promise<boolean>
}

/** The clock by which the stored messages of a relay expire, remembered from one run to the next. */
export class StoreClock {
  readonly guard: ExpiryGuard
  readonly #store: string
  readonly #isSynchronized: () => Promise<boolean>
  #synchronized = false
  #isDoubted = false
  #askedAt = -Infinity

  constructor({ paths, log, now, isSynchronized = systemSaysSo }: StoreClockOptions) {
    this.#store = paths.store
    this.#isSynchronized = isSynchronized
    const wall = (): number => now().getTime() / 1000
    this.guard = new ExpiryGuard({
      lastSeen: readLastSeen(paths.store) ?? lastChange(paths),
      wall,
      monotonic: () => performance.now() / 1000,
      isConfirmed: () => this.#isConfirmed(wall()),
      onDoubt: (days) => {
        this.#isDoubted = true
        log.warn(doubt(days))
      },
    })
  }

  /** Remembers the time until the store is closed. */
  async follow<T extends Pick<Store, 'close'>>(store: T): Promise<T> {
    await this.#remember()
    // A disk that is full costs no more than an hour of memory.
    const remember = setInterval(() => void this.#remember().catch(() => undefined), REMEMBER_EVERY_MS).unref()
    const ask = setInterval(() => void this.#ask(), ASK_EVERY_MS).unref()
    const close = store.close.bind(store)
    store.close = async () => {
      clearInterval(remember)
      clearInterval(ask)
      await this.#remember().catch(() => undefined)
      await close()
    }
    return store
  }

  async #remember(): Promise<void> {
    await this.#ask()
    // What an operator has just confirmed is not written over before it was read.
    this.#askedAt = -Infinity
    await writeLastSeen(this.#store, this.guard.now())
  }

  async #ask(): Promise<void> {
    this.guard.now()
    if (this.#isDoubted && !this.#synchronized) this.#synchronized = await this.#isSynchronized()
  }

  #isConfirmed(wall: number): boolean {
    if (this.#synchronized) return true
    if (performance.now() - this.#askedAt < ASK_EVERY_MS) return false
    this.#askedAt = performance.now()
    return Math.abs((confirmedTime(this.#store) ?? 0) - wall) < PLAUSIBLE_GAP
  }
}

function doubt(days: number): string {
  if (days < 0) return `The clock is ${-days} days behind the time at which this relay ran last. Set the clock.`
  return (
    `The clock is ${days} days ahead of the time at which this relay ran last. ` +
    'Messages do not expire until NTP has set it, or `smp-server store confirm-time` says that it is right.'
  )
}

async function systemSaysSo(): Promise<boolean> {
  if (existsSync('/run/systemd/timesync/synchronized')) return true
  try {
    const { stdout } = await runCommand('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'])
    return stdout.trim() === 'yes'
  } catch {
    return false
  }
}

/** When upstream's files that are to be imported were changed last: seconds since the epoch. */
function lastChange({ storeLog, messagesLog, notificationsLog }: Paths): number | undefined {
  const times = [storeLog, `${storeLog}.start`, messagesLog, notificationsLog].map(
    (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs,
  )
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? undefined : Math.max(...known) / 1000
}
