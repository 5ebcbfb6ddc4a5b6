import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { guardedLookup } from '../../transport/dns-guard.ts'
import type { AppError } from '../../errors/app-error.ts'
import type { ControlEndpoint } from './endpoint.ts'
import { TorRefusal, controlAbsent, controlClosed, controlDenied, controlGarbled, controlTimeout } from './errors.ts'
import type { ControlMessage } from './reply.ts'
import { FramingError, ReplyParser, isEvent } from './reply.ts'

export interface ConnectionOptions {
  /** For connecting, and for every command without a timeout of its own. */
  readonly timeoutMs?: number
  /** Ends the connection when it is aborted. */
  readonly signal?: AbortSignal | undefined
  /** Every event, in order; must not throw. */
  readonly onEvent?: (event: ControlMessage) => void
}

interface Pending {
  readonly verb: string
  readonly timer: NodeJS.Timeout
  readonly resolve: (reply: ControlMessage) => void
  readonly reject: (error: AppError) => void
}

const defaultTimeoutMs = 10_000

/**
 * One control connection: commands in, replies in the same order out, events in between.
 *
 * tor answers commands strictly in order, so waiting commands form a queue. One that timed out keeps its place in it, so
 * that a late answer is not taken for that of the next command. When the socket closes all of them fail.
 */
export class ControlConnection {
  readonly endpoint: ControlEndpoint
  /** Resolves, never rejects, when the connection has ended, with the reason. */
  readonly closed: Promise<AppError>
  readonly #socket: Socket
  readonly #timeoutMs: number
  readonly #onEvent: (event: ControlMessage) => void
  readonly #pending: Pending[] = []
  readonly #parser = new ReplyParser()
  #resolveClosed: (reason: AppError) => void = () => undefined
  #reason: AppError | undefined

  private constructor(endpoint: ControlEndpoint, socket: Socket, options: ConnectionOptions) {
    this.endpoint = endpoint
    this.#socket = socket
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    this.#onEvent = options.onEvent ?? ((): void => undefined)
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    let cause: Error | undefined
    socket.on('error', (error) => (cause = error))
    socket.on('close', () => this.#end(controlClosed(endpoint, cause)))
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    options.signal?.addEventListener('abort', () => this.close(), { once: true })
  }

  /**
   * Connects, without authenticating.
   *
   * @throws AppError `TOR_CONTROL_ABSENT` (no socket, nothing listens), `TOR_CONTROL_DENIED`, `TOR_CONTROL_TIMEOUT`
   */
  static async open(endpoint: ControlEndpoint, options: ConnectionOptions = {}): Promise<ControlConnection> {
    const { timeoutMs = defaultTimeoutMs, signal } = options
    if (signal?.aborted) throw controlClosed(endpoint)
    const socket = connect(
      endpoint.type === 'unix'
        ? { path: endpoint.path }
        : { host: endpoint.host, port: endpoint.port, lookup: guardedLookup() },
    )
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.destroy()
        reject(controlTimeout(endpoint, 'a connection', timeoutMs))
      }, timeoutMs)
      signal?.addEventListener('abort', () => socket.destroy(new Error('aborted')), { once: true })
      socket.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        const denied = error.code === 'EACCES' || error.code === 'EPERM'
        reject((signal?.aborted ? controlClosed : denied ? controlDenied : controlAbsent)(endpoint, error))
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        resolve()
      })
    })
    return new ControlConnection(endpoint, socket, options)
  }

  /** The address from which this machine reaches a tor elsewhere; `undefined` for a unix socket. */
  get localAddress(): string | undefined {
    return this.#socket.localAddress
  }

  /**
   * Sends one command line and waits for its reply.
   *
   * @throws TorRefusal when the status is not 2xx
   * @throws AppError `TOR_CONTROL_CLOSED`, `TOR_CONTROL_TIMEOUT`, `TOR_CONTROL_GARBLED`
   */
  async send(command: string, timeoutMs = this.#timeoutMs): Promise<ControlMessage> {
    if (/[\r\n]/.test(command)) throw new TypeError('a control command must be one line')
    // Only the verb is ever shown: what follows can be a password or a secret key.
    const verb = command.split(' ', 1)[0] ?? ''
    if (this.#reason) throw this.#reason
    const reply = await new Promise<ControlMessage>((resolve, reject) => {
      const timer = setTimeout(() => reject(controlTimeout(this.endpoint, verb, timeoutMs)), timeoutMs)
      this.#pending.push({ verb, timer, resolve, reject })
      this.#socket.write(`${command}\r\n`)
    })
    if (reply.status < 200 || reply.status > 299) throw refusal(verb, reply)
    return reply
  }

  /** Ends the connection; commands still waiting fail. */
  close(): void {
    this.#end(controlClosed(this.endpoint))
  }

  #receive(chunk: Buffer): void {
    let messages: ControlMessage[]
    try {
      messages = this.#parser.push(chunk)
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      this.#end(controlGarbled(this.endpoint, error))
      return
    }
    for (const message of messages) {
      if (isEvent(message.status)) {
        this.#onEvent(message)
        continue
      }
      const command = this.#pending.shift()
      if (!command) {
        this.#end(controlGarbled(this.endpoint, new Error('it sent a reply without a command')))
        return
      }
      clearTimeout(command.timer)
      command.resolve(message)
    }
  }

  #end(reason: AppError): void {
    if (this.#reason) return
    this.#reason = reason
    this.#socket.destroy()
    for (const command of this.#pending.splice(0)) {
      clearTimeout(command.timer)
      command.reject(reason)
    }
    this.#resolveClosed(reason)
  }
}

function refusal(verb: string, reply: ControlMessage): TorRefusal {
  const reason = reply.lines.map(({ text }) => text).join('; ')
  return new TorRefusal(verb, reply.status, reason.replace(/[. ]+$/, ''))
}
