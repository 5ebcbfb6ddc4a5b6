import { createHash, randomBytes } from 'node:crypto'
import { encodeTransmission, type Command } from './authorization.ts'
import { commands, type LinkData, type QueueMode } from './commands.ts'
import { blockSize, openSession, type ConnectOptions, type RelayAddress, type Session } from './connection.ts'
import { large, pad, unpad } from './encoding.ts'
import { generateKey, type AuthAlg, type AuthKey } from './keys.ts'
import { decryptMessage, sharedBox, type Message, type Queue } from './queue.ts'
import { parsePayload, parseTransmission, type Received, type Reply, type ReplyOf } from './replies.ts'

export interface ClientOptions extends ConnectOptions {
  /** 0: never give up. */
  readonly requestTimeoutMs?: number
  /** Takes the events instead of the queue of `nextEvent` (load generators). */
  readonly onEvent?: (event: Received) => void
  /** Keeps every block received in `trace`. */
  readonly trace?: boolean
}

export interface CreateOptions {
  readonly auth?: AuthAlg
  readonly key?: AuthKey
  /** Another key than the one in the command signs it. */
  readonly signWith?: AuthKey
  readonly password?: string
  readonly subscribe?: boolean
  /** `none` is the request without a mode that v≥15 knows. */
  readonly mode?: QueueMode | 'none'
  readonly link?: LinkData
  readonly corrId?: Buffer
  readonly notifier?: AuthAlg
  readonly serviceSigned?: boolean
}

interface Pending {
  readonly entityId: Buffer
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout | undefined
}

const none = Buffer.alloc(0)
const withoutEntity = new Set<Reply['type']>(['PONG', 'PKEY', 'RRES', 'RNAME'])

/** The sender id that a client who brings link data has to choose for its NEW. */
export const senderIdFor = (corrId: Buffer): Buffer => createHash('sha3-384').update(corrId).digest().subarray(0, 24)

/** One connection to a relay, as an app would use it. */
export class SmpClient {
  readonly session: Session
  /** Blocks as they came, when asked for. */
  readonly trace: Received[][] = []
  /** What the relay sent that no client can read. */
  fault: Error | undefined
  readonly #pending = new Map<string, Pending>()
  readonly #events: Received[] = []
  #waiting: ((event: Received) => void)[] = []
  readonly #options: ClientOptions

  constructor(session: Session, options: ClientOptions = {}) {
    this.session = session
    this.#options = options
    session.stream.onBlock((block) => {
      try {
        this.#receive(block)
      } catch (error) {
        this.#fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    void session.stream.closed.then(() => this.#rejectAll(new Error('the connection was closed')))
  }

  get version(): number {
    return this.session.version
  }

  /** Resolves when the relay (or we) closed the connection. */
  get closed(): Promise<void> {
    return this.session.stream.closed
  }

  async close(): Promise<void> {
    this.session.stream.close()
    await this.closed
  }

  // ---- transmissions and blocks

  /** Sends one command in a block of its own. */
  request(command: Command, corrId: Buffer = randomBytes(24)): Promise<Reply> {
    this.sendTransmissions([encodeTransmission(this.session.auth, corrId, command)])
    return this.#expect(command, corrId)
  }

  /** Sends commands in one block; the replies in the order of the commands. */
  batch(list: readonly Command[]): Promise<Reply[]> {
    const made = list.map((command) => {
      const corrId = randomBytes(24)
      return { command, corrId, bytes: encodeTransmission(this.session.auth, corrId, command) }
    })
    this.sendTransmissions(made.map(({ bytes }) => bytes))
    return Promise.all(made.map(({ command, corrId }) => this.#expect(command, corrId)))
  }

  sendTransmissions(transmissions: readonly Buffer[]): boolean {
    return this.sendPayload(Buffer.concat([Buffer.of(transmissions.length), ...transmissions.map(large)]))
  }

  /** Any bytes as the payload of one block, encrypted when this session is. */
  sendPayload(payload: Buffer): boolean {
    const { cipher, stream } = this.session
    return stream.write(cipher ? cipher.sealBlock(payload) : pad(payload, blockSize))
  }

  /** Any 16,384 bytes (or fewer) as they are. */
  sendRaw(bytes: Buffer): boolean {
    return this.session.stream.write(bytes)
  }

  /** The next thing that no request waits for. */
  nextEvent(timeoutMs = 5000): Promise<Received> {
    const waiting = this.#events.shift()
    if (waiting) return Promise.resolve(waiting)
    if (this.fault) return Promise.reject(this.fault)
    return new Promise((resolve, reject) => {
      const waiter = (event: Received): void => {
        clearTimeout(timer)
        resolve(event)
      }
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((one) => one !== waiter)
        reject(new Error(`no event within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#waiting.push(waiter)
    })
  }

  /**
   * Rejects when an event has come that nobody took. A PING goes to the relay and back first: what it pushes for commands
   * that were answered before arrives ahead of the PONG.
   */
  async noEvent(): Promise<void> {
    await this.ping()
    const event = this.takeEvent()
    if (event) throw new Error(`an event came: ${event.reply.type}`)
  }

  /** An event that has come, and that nobody took. */
  takeEvent(): Received | undefined {
    return this.#events.shift()
  }

  // ---- the recipient's commands

  /** NEW, and the secrets that belong to it. */
  async createQueue(options: CreateOptions = {}): Promise<Queue> {
    const { reply, queue } = await this.create(options)
    if (!queue) throw new Error(`NEW was answered with ${reply.type} ${reply.type === 'ERR' ? reply.error : ''}`)
    return queue
  }

  /** NEW, whatever the answer is. */
  async create(options: CreateOptions = {}): Promise<{ reply: Reply; queue?: Queue }> {
    const key = options.key ?? generateKey(options.auth ?? 'ed25519')
    const dhKey = generateKey('x25519')
    const notifier = options.notifier && { key: generateKey(options.notifier), dhKey: generateKey('x25519') }
    const bytes = commands.new(this.version, {
      authSpki: key.spki,
      dhSpki: dhKey.spki,
      password: options.password,
      subscribe: options.subscribe,
      mode: options.mode === 'none' ? undefined : (options.mode ?? 'messaging'),
      ...(options.link ? { link: options.link } : {}),
      ...(notifier ? { notifier: { authSpki: notifier.key.spki, dhSpki: notifier.dhKey.spki } } : {}),
    })
    const serviceSigned = options.serviceSigned ?? this.#isService
    const command = { entityId: none, bytes, key: options.signWith ?? key, serviceSigned }
    const reply = await this.request(command, options.corrId)
    if (reply.type !== 'IDS') return { reply }
    const queue = {
      rcvId: reply.rcvId,
      sndId: reply.sndId,
      key,
      box: sharedBox(dhKey, reply.serverDhSpki),
      ids: reply,
      notifier: notifier &&
        reply.notifier && {
          notifierId: reply.notifier.notifierId,
          key: notifier.key,
          box: sharedBox(notifier.dhKey, reply.notifier.serverDhSpki),
        },
    }
    return { reply, queue }
  }

  sub(queue: Queue): Promise<Reply> {
    return this.request({ ...this.#asRecipient(queue, commands.sub()), serviceSigned: this.#isService })
  }

  key(queue: Queue, senderKey: AuthKey): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.key(senderKey.spki)))
  }

  rkey(queue: Queue, keys: readonly AuthKey[]): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.rkey(keys.map(({ spki }) => spki))))
  }

  lset(queue: Queue, linkId: Buffer, fixedData: Buffer, userData: Buffer): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.lset(linkId, fixedData, userData)))
  }

  ldel(queue: Queue): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.ldel()))
  }

  /** NKEY with a fresh pair; the secrets come with the reply. */
  async nkey(queue: Queue, key: AuthKey = generateKey('ed25519')): Promise<NonNullable<Queue['notifier']>> {
    const dhKey = generateKey('x25519')
    const reply = await this.request(this.#asRecipient(queue, commands.nkey(key.spki, dhKey.spki)))
    if (reply.type !== 'NID') throw new Error(`NKEY was answered with ${reply.type}`)
    return { notifierId: reply.notifierId, key, box: sharedBox(dhKey, reply.serverDhSpki) }
  }

  ndel(queue: Queue): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.ndel()))
  }

  get(queue: Queue): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.get()))
  }

  ack(queue: Queue, messageId: Buffer): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.ack(messageId)))
  }

  off(queue: Queue): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.off()))
  }

  del(queue: Queue): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.del()))
  }

  que(queue: Queue): Promise<Reply> {
    return this.request(this.#asRecipient(queue, commands.que()))
  }

  // ---- the sender's and everybody's commands

  send(to: Queue | Buffer, body: string | Buffer, options: { key?: AuthKey; notify?: boolean } = {}): Promise<Reply> {
    const entityId = Buffer.isBuffer(to) ? to : to.sndId
    const bytes = commands.send(Buffer.isBuffer(body) ? body : Buffer.from(body), options.notify ?? false)
    return this.request({ entityId, bytes, key: options.key })
  }

  skey(to: Queue | Buffer, key: AuthKey, signWith: AuthKey = key): Promise<Reply> {
    const entityId = Buffer.isBuffer(to) ? to : to.sndId
    return this.request({ entityId, bytes: commands.skey(key.spki), key: signWith })
  }

  lkey(linkId: Buffer, key: AuthKey, signWith: AuthKey = key): Promise<Reply> {
    return this.request({ entityId: linkId, bytes: commands.lkey(key.spki), key: signWith })
  }

  lget(linkId: Buffer): Promise<Reply> {
    return this.request({ entityId: linkId, bytes: commands.lget() })
  }

  nsub(notifier: NonNullable<Queue['notifier']>): Promise<Reply> {
    const { notifierId, key } = notifier
    return this.request({ entityId: notifierId, bytes: commands.nsub(), key, serviceSigned: this.#isService })
  }

  /** SUBS of this session's service. */
  subs(count: number, idsHash: Buffer): Promise<Reply> {
    return this.#asService(commands.subs(this.version, count, idsHash))
  }

  /** NSUBS of this session's service. */
  nsubs(count: number, idsHash: Buffer): Promise<Reply> {
    return this.#asService(commands.nsubs(this.version, count, idsHash))
  }

  ping(): Promise<Reply> {
    return this.request({ entityId: none, bytes: commands.ping() })
  }

  // ---- reading messages

  /** The next event, which has to be a message of this queue, decrypted. */
  async receive(queue: Queue, timeoutMs?: number): Promise<Message> {
    const { entityId, reply } = await this.nextEvent(timeoutMs)
    if (!entityId.equals(queue.rcvId)) throw new Error(`${reply.type} of another queue`)
    return this.read(queue, reply)
  }

  /** A reply that has to be MSG, decrypted. */
  read(queue: Queue, reply: Reply): Message {
    if (reply.type !== 'MSG')
      throw new Error(`MSG wanted, ${reply.type} came ${reply.type === 'ERR' ? reply.error : ''}`)
    return decryptMessage(queue.box, reply)
  }

  // ---- inner

  get #isService(): boolean {
    return this.session.auth.service !== undefined
  }

  #asRecipient(queue: Queue, bytes: Buffer): Command {
    return { entityId: queue.rcvId, bytes, key: queue.key }
  }

  #asService(bytes: Buffer): Promise<Reply> {
    const { auth, serviceId } = this.session
    if (!auth.service || !serviceId) throw new Error('this is no session of a service')
    return this.request({ entityId: serviceId, bytes, key: auth.service.sessionKey })
  }

  #expect({ entityId }: Command, corrId: Buffer): Promise<Reply> {
    const name = corrId.toString('latin1')
    const { requestTimeoutMs = 10_000 } = this.#options
    return new Promise((resolve, reject) => {
      if (!this.session.stream.open) {
        reject(new Error('the connection was closed'))
        return
      }
      const giveUp = (): void => {
        this.#pending.delete(name)
        reject(new Error(`no reply within ${requestTimeoutMs} ms`))
      }
      const timer = requestTimeoutMs > 0 ? setTimeout(giveUp, requestTimeoutMs) : undefined
      this.#pending.set(name, { entityId, resolve, reject, timer })
    })
  }

  #receive(block: Buffer): void {
    const { cipher, auth } = this.session
    const payload = cipher ? cipher.openBlock(block) : unpad(block)
    const received = parsePayload(payload).map((one) => parseTransmission(one, auth.version, auth.sessionId))
    if (this.#options.trace) this.trace.push(received)
    for (const one of received) this.#deliver(one)
  }

  #deliver(received: Received): void {
    const name = received.corrId.toString('latin1')
    const pending = this.#pending.get(name)
    if (!pending) {
      this.#event(received)
      return
    }
    this.#pending.delete(name)
    clearTimeout(pending.timer)
    const wanted = withoutEntity.has(received.reply.type) ? none : pending.entityId
    if (wanted.equals(received.entityId)) pending.resolve(received.reply)
    else pending.reject(new Error(`${received.reply.type} came with another entity`))
  }

  #event(event: Received): void {
    if (this.#options.onEvent) {
      this.#options.onEvent(event)
      return
    }
    const waiter = this.#waiting.shift()
    if (waiter) waiter(event)
    else this.#events.push(event)
  }

  #fail(error: Error): void {
    this.fault = error
    this.#rejectAll(error)
    this.session.stream.close()
  }

  #rejectAll(error: Error): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#pending.clear()
  }
}

/** TLS, handshake, and a client on top. */
export const connectClient = async (address: RelayAddress, options: ClientOptions = {}): Promise<SmpClient> =>
  new SmpClient(await openSession(address, options), options)

/** The reply, which has to be of this type. */
export const expectReply = <Type extends Reply['type']>(reply: Reply, type: Type): ReplyOf<Type> => {
  if (reply.type !== type)
    throw new Error(`${type} wanted, ${reply.type} came ${reply.type === 'ERR' ? reply.error : ''}`)
  return reply as ReplyOf<Type>
}
