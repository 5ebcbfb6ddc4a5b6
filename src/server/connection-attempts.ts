export interface AttemptLimits {
  /** Of all clients at once. */
  readonly attempts: number
  /** Of one client at once; its further ones wait for one of them to end. */
  readonly attemptsPerClient: number
}

interface Attempt<T> {
  readonly client: object
  readonly startedAt: number
  readonly controller: AbortController
  readonly result: Promise<T>
}

interface Client {
  running: number
  readonly waiting: (() => void)[]
}

/** An attempt older than this, milliseconds, may be cancelled for a client with fewer of them. */
const LONG_MS = 5000

/**
 * Connections that are being opened, at most so many in all and for each client. When there are too many, the oldest
 * attempt of the client with most of them is cancelled for a client with fewer, so that attempts to connect to silent
 * hosts block nobody else.
 */
export class ConnectionAttempts<T> {
  readonly #limits: AttemptLimits
  readonly #now: () => number
  /** In the order of their beginning. */
  readonly #attempts = new Map<string, Attempt<T>>()
  readonly #clients = new Map<object, Client>()

  /** @param now milliseconds */
  constructor(limits: AttemptLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /**
   * Joins the attempt with this key, or begins one.
   *
   * @param known what there is without an attempt, also after having waited
   * @param open is given a signal that cancels it; it does not reject
   * @returns undefined: too many are under way
   */
  async run(
    key: string,
    client: object,
    known: () => T | undefined,
    open: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    for (let turns = 0; ; turns++) {
      const other = known() ?? this.#attempts.get(key)?.result
      if (other !== undefined) {
        if (turns > 0) this.#wakeNext(client)
        return other
      }
      const own = this.#clients.get(client)
      if (own === undefined || own.running < this.#limits.attemptsPerClient) break
      await new Promise<void>((resolve) => own.waiting.push(resolve))
    }
    if (this.#attempts.size >= this.#limits.attempts && !this.#makeRoom(client)) {
      this.#wakeNext(client)
      return undefined
    }
    const controller = new AbortController()
    this.#count(client)
    const result = open(controller.signal).finally(() => {
      if (this.#attempts.get(key)?.controller === controller) this.#attempts.delete(key)
      this.#uncount(client)
    })
    this.#attempts.set(key, { client, startedAt: this.#now(), controller, result })
    return result
  }

  #makeRoom(client: object): boolean {
    const mine = this.#clients.get(client)?.running ?? 0
    let most = 0
    for (const { running } of this.#clients.values()) most = Math.max(most, running)
    for (const [key, attempt] of this.#attempts) {
      if (this.#clients.get(attempt.client)?.running !== most) continue
      const isLong = this.#now() - attempt.startedAt >= LONG_MS
      if (most < mine + (isLong ? 1 : 2)) return false
      this.#attempts.delete(key)
      attempt.controller.abort()
      return true
    }
    return false
  }

  #count(client: object): void {
    const counted = this.#clients.get(client)
    if (counted !== undefined) counted.running++
    else this.#clients.set(client, { running: 1, waiting: [] })
  }

  #uncount(client: object): void {
    const counted = this.#clients.get(client)
    if (counted !== undefined) counted.running--
    this.#wakeNext(client)
  }

  #wakeNext(client: object): void {
    const counted = this.#clients.get(client)
    const next = counted?.waiting.shift()
    if (next !== undefined) next()
    else if (counted?.running === 0) this.#clients.delete(client)
  }
}
