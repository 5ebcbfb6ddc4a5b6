import type { AppError } from '../../errors/app-error.ts'
import type { ServiceId } from '../../crypto/onion-address.ts'
import type { AuthenticationMethod, Login, LoginOptions } from './authenticate.ts'
import { login } from './authenticate.ts'
import type { ControlConnection } from './connection.ts'
import { controlGarbled, TorRefusal } from './errors.ts'
import type { BootstrapPhase, EventName, TorEvent } from './events.ts'
import { parseBootstrapPhase, parseEvent } from './events.ts'
import { parseConfiguration, parseInfo, plainWord } from './info.ts'
import type { AddOnion, AddedOnion } from './onion.ts'
import { addOnionCommand, parseAddedOnion, parseOnionList } from './onion.ts'
import { parseArguments, quote } from './quoted.ts'

export type Signal = 'RELOAD' | 'SHUTDOWN' | 'HALT' | 'NEWNYM' | 'ACTIVE' | 'DORMANT' | 'HEARTBEAT'
export type TorEventListener = (event: TorEvent) => void

/**
 * A controller's view of one running tor, with the verbs of the Tor control-spec.
 *
 * Every method rejects with `TorRefusal` when tor says no, and with an `AppError` (`TOR_CONTROL_CLOSED`,
 * `TOR_CONTROL_TIMEOUT`, `TOR_CONTROL_GARBLED`) when it does not answer.
 */
export class TorControl {
  /** tor's own version, e.g. `0.4.9.11`. */
  readonly version: string
  readonly method: AuthenticationMethod
  /** Resolves with the reason when the connection has ended. */
  readonly closed: Promise<AppError>
  readonly #connection: ControlConnection
  readonly #listeners: Set<TorEventListener>

  private constructor({ connection, info, method }: Login, listeners: Set<TorEventListener>) {
    this.version = info.version
    this.method = method
    this.closed = connection.closed
    this.#connection = connection
    this.#listeners = listeners
  }

  /** Connects and authenticates, unless `signal` is aborted meanwhile; throws whatever `login` throws. */
  static async connect({ signal, ...options }: Omit<LoginOptions, 'onEvent'>): Promise<TorControl> {
    const listeners = new Set<TorEventListener>()
    const loggingIn = new AbortController()
    const abort = (): void => loggingIn.abort()
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()
    try {
      const session = await login({
        ...options,
        signal: loggingIn.signal,
        onEvent: (message) => {
          const event = parseEvent(message)
          for (const listener of [...listeners]) listener(event)
        },
      })
      return new TorControl(session, listeners)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** See `ControlConnection.localAddress`. */
  get localAddress(): string | undefined {
    return this.#connection.localAddress
  }

  /** Calls `listener` with every event from now on, until the returned function is called. */
  onEvent(listener: TorEventListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async getInfo(...keys: readonly string[]): Promise<Map<string, string>> {
    return parseInfo(await this.#connection.send(['GETINFO', ...keys.map(plainWord)].join(' ')))
  }

  /** Values by option name in lower case. */
  async getConf(...options: readonly string[]): Promise<Map<string, string[]>> {
    return parseConfiguration(await this.#connection.send(['GETCONF', ...options.map(plainWord)].join(' ')))
  }

  /** Sets all options or none. A list option is replaced as a whole. */
  async setConf(options: Readonly<Record<string, string | number>>): Promise<void> {
    await this.setConfLines(Object.entries(options))
  }

  /** The same for options that may be there several times, and whose order matters. */
  async setConfLines(lines: readonly (readonly [option: string, value: string | number])[]): Promise<void> {
    const pairs = lines.map(([name, value]) => `${plainWord(name)}=${quote(String(value))}`)
    await this.#connection.send(['SETCONF', ...pairs].join(' '))
  }

  /** Resets options to their defaults. */
  async resetConf(...options: readonly string[]): Promise<void> {
    await this.#connection.send(['RESETCONF', ...options.map(plainWord)].join(' '))
  }

  /** Replaces the set of events that tor sends on this connection. */
  async setEvents(names: readonly EventName[]): Promise<void> {
    await this.#connection.send(['SETEVENTS', ...names].join(' '))
  }

  async signal(signal: Signal): Promise<void> {
    await this.#connection.send(`SIGNAL ${signal}`)
  }

  async addOnion(onion: AddOnion): Promise<AddedOnion> {
    const added = parseAddedOnion(await this.#connection.send(addOnionCommand(onion)))
    if (added) return added
    throw controlGarbled(this.#connection.endpoint, new Error('the reply to ADD_ONION is malformed'))
  }

  async delOnion(serviceId: ServiceId): Promise<void> {
    await this.#connection.send(`DEL_ONION ${serviceId}`)
  }

  /** Closes the circuits of all clients to a service, which its removal leaves open. */
  async closeClientCircuits(serviceId: ServiceId): Promise<void> {
    const list = (await this.getInfo('circuit-status')).get('circuit-status') ?? ''
    for (const line of list.split('\n')) {
      const { positional, keywords } = parseArguments(line)
      const [id = ''] = positional
      const isToService = keywords.get('PURPOSE') === 'HS_SERVICE_REND' && keywords.get('REND_QUERY') === serviceId
      if (!isToService || !/^[A-Za-z0-9]{1,16}$/.test(id)) continue
      await this.#connection.send(`CLOSECIRCUIT ${id}`).catch((error: unknown) => {
        // It has closed meanwhile.
        if (!(error instanceof TorRefusal)) throw error
      })
    }
  }

  /** Services that this connection or, detached, any connection has added; not those of a torrc. */
  async onions(): Promise<ServiceId[]> {
    const [current, detached] = [await this.getInfo('onions/current'), await this.getInfo('onions/detached')]
    return [
      ...parseOnionList(current.get('onions/current') ?? ''),
      ...parseOnionList(detached.get('onions/detached') ?? ''),
    ]
  }

  async bootstrapPhase(): Promise<BootstrapPhase> {
    const text = (await this.getInfo('status/bootstrap-phase')).get('status/bootstrap-phase') ?? ''
    const phase = parseBootstrapPhase(text)
    if (phase) return phase
    throw controlGarbled(this.#connection.endpoint, new Error('the bootstrap phase is malformed'))
  }

  /**
   * Starts a download of the descriptor; `HS_DESC` and `HS_DESC_CONTENT` events tell how it ends.
   *
   * @param directory `$fingerprint~name` of the only directory to ask
   */
  async hsFetch(serviceId: ServiceId, directory?: string): Promise<void> {
    const server = /^\$[0-9A-F]{40}/.exec(directory ?? '')?.[0]
    await this.#connection.send(`HSFETCH ${serviceId}${server === undefined ? '' : ` SERVER=${server}`}`)
  }

  /** From now on tor exits when this connection closes. */
  async takeOwnership(): Promise<void> {
    await this.#connection.send('TAKEOWNERSHIP')
  }

  close(): void {
    this.#connection.close()
  }
}
