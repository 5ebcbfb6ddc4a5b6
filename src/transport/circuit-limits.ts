/** Of the connections that one circuit may have, this part may be in a TLS handshake. */
const HANDSHAKES_PART = 4
/** New connections of a circuit in a minute, as a multiple of those that it may have at a time. */
const ATTEMPTS_TIMES = 2
const MINUTE_MS = 60_000

/** What one circuit of the onion service has. */
interface Circuit {
  open: number
  handshaking: number
}

/** A connection that was admitted. */
export interface CircuitConnection {
  /** Its TLS handshake is complete. */
  readonly established: () => void
  /** It has closed. */
  readonly left: () => void
}

/**
 * Counts what comes through each circuit of the onion service: connections at a time, those of them in a handshake, and
 * new ones in a minute.
 */
export class CircuitLimits {
  #perCircuit: number
  readonly #now: () => number
  readonly #circuits = new Map<number, Circuit>()
  /** Since the beginning of the minute. */
  readonly #attempts = new Map<number, number>()
  #minuteAt = -Infinity

  /**
   * @param perCircuit connections at a time
   * @param now milliseconds
   */
  constructor(perCircuit: number, now: () => number) {
    this.#perCircuit = perCircuit
    this.#now = now
  }

  change(perCircuit: number): void {
    this.#perCircuit = perCircuit
  }

  /** Circuits with connections. */
  get circuits(): number {
    return this.#circuits.size
  }

  /** `undefined`: this circuit has its share. */
  admit(id: number): CircuitConnection | undefined {
    const attempts = this.#attempt(id)
    const { open, handshaking } = this.#circuits.get(id) ?? { open: 0, handshaking: 0 }
    if (open >= this.#perCircuit || handshaking >= Math.ceil(this.#perCircuit / HANDSHAKES_PART)) return undefined
    if (attempts > this.#perCircuit * ATTEMPTS_TIMES) return undefined
    this.#circuits.set(id, { open: open + 1, handshaking: handshaking + 1 })
    let isHandshaking = true
    const established = (): void => {
      const circuit = this.#circuits.get(id)
      if (isHandshaking && circuit) circuit.handshaking--
      isHandshaking = false
    }
    const left = (): void => {
      established()
      this.#leave(id)
    }
    return { established, left }
  }

  /** Counts every attempt, also those that are refused. */
  #attempt(id: number): number {
    const now = this.#now()
    if (now - this.#minuteAt >= MINUTE_MS) {
      this.#attempts.clear()
      this.#minuteAt = now
    }
    const attempts = (this.#attempts.get(id) ?? 0) + 1
    this.#attempts.set(id, attempts)
    return attempts
  }

  #leave(id: number): void {
    const circuit = this.#circuits.get(id)
    if (circuit && --circuit.open === 0) this.#circuits.delete(id)
  }
}
