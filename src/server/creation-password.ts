import { samePassword } from './password.ts'

/** Wrong passwords of one connection before it has to wait. */
const FREE_TRIES = 10
/** How long it then waits for its next try, milliseconds; twice as long each time. */
const FIRST_DELAY_MS = 1000
const MAX_DELAY_MS = 5000
/** Tries a second of connections that have not given the right password yet, all together. */
const TRIES_PER_SECOND = 100

interface Tries {
  wrong: number
  /** Passwords are not looked at before this time. */
  waitsUntilMs: number
}

/**
 * The password that creating queues and proxying need. Guessing is slow: after a few mistakes a connection may try it
 * once in a few seconds, and all connections together a hundred times a second; what comes in between is refused without
 * being looked at. A
 * connection that has given it is not delayed by anybody's guesses.
 */
export class CreationPassword {
  #required: string | undefined
  readonly #nowMs: () => number
  readonly #tries = new WeakMap<object, Tries>()
  readonly #trusted = new WeakSet()
  #tokens = TRIES_PER_SECOND
  #filledMs: number
  #wrong = 0
  #tried = 0

  /**
   * @param required text of the INI file; undefined: there is none
   * @param nowMs milliseconds from any beginning
   */
  constructor(required: string | undefined, nowMs: () => number = () => performance.now()) {
    this.#required = required
    this.#nowMs = nowMs
    this.#filledMs = nowMs()
  }

  /** Needs another password from now on, also from connections that have given the last one. */
  require(required: string | undefined): void {
    this.#required = required
  }

  /** Wrong passwords, and those that were not looked at, since the start. */
  get wrong(): number {
    return this.#wrong
  }

  /** Passwords that were looked at since the start, of connections that had not given it. */
  get tried(): number {
    return this.#tried
  }

  /**
   * Whether a connection may do what needs the password.
   *
   * @param given a latin1 byte string, as it came in a command
   */
  allows(connection: object, given: string | undefined): boolean {
    if (this.#required === undefined) return true
    if (given === undefined) return false
    if (this.#trusted.has(connection)) return this.#isRight(connection, given)
    if (this.#mayTry(connection)) return this.#isRight(connection, given)
    this.#wrong++
    return false
  }

  #isRight(connection: object, given: string): boolean {
    if (samePassword(this.#required, given)) {
      this.#trusted.add(connection)
      return true
    }
    this.#wrong++
    this.#trusted.delete(connection)
    const wrong = (this.#tries.get(connection)?.wrong ?? 0) + 1
    const delayMs = wrong < FREE_TRIES ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (wrong - FREE_TRIES), MAX_DELAY_MS)
    this.#tries.set(connection, { wrong, waitsUntilMs: this.#nowMs() + delayMs })
    return false
  }

  #mayTry(connection: object): boolean {
    const nowMs = this.#nowMs()
    if (nowMs < (this.#tries.get(connection)?.waitsUntilMs ?? 0)) return false
    const filled = this.#tokens + ((nowMs - this.#filledMs) / 1000) * TRIES_PER_SECOND
    this.#tokens = Math.min(TRIES_PER_SECOND, filled)
    this.#filledMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    this.#tried++
    return true
  }
}
