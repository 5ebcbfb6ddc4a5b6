import { randomBytes } from 'node:crypto'
import { connectClient, expectReply, type SmpClient } from '../../client/client.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { generateKey, type AuthAlg, type AuthKey } from '../../client/keys.ts'
import { decryptMessage, type Queue } from '../../client/queue.ts'
import type { Msg, Reply } from '../../client/replies.ts'

export interface PairOptions {
  readonly address: RelayAddress
  /** Keys of the recipient and of the sender. */
  readonly auth: AuthAlg
  /** Bytes of each message. */
  readonly bodySize: number
}

/** What happens to a message, with the milliseconds since it was sent. */
export interface PairEvents {
  stored(ms: number): void
  received(ms: number): void
  /** The recipient's ACK was answered. */
  acknowledged(): void
}

/** A connection that may belong to several pairs. */
export interface Line {
  readonly client: SmpClient
  /** The pairs that receive through it, by recipient id. */
  readonly recipients: Map<string, Pair>
}

export const openLine = async (address: RelayAddress): Promise<Line> => {
  const recipients = new Map<string, Pair>()
  const client = await connectClient(address, {
    maxVersion: 19,
    requestTimeoutMs: 0,
    onEvent: ({ entityId, reply }) => recipients.get(entityId.toString('latin1'))?.take(expectReply(reply, 'MSG')),
  })
  return { client, recipients }
}

/** A sender and a recipient, each with a connection, and one queue between them. */
export class Pair {
  events: PairEvents = { stored: () => undefined, received: () => undefined, acknowledged: () => undefined }
  blocksSent = 0
  readonly #sender: SmpClient
  readonly #recipient: SmpClient
  readonly #queue: Queue
  readonly #senderKey: AuthKey
  readonly #body: Buffer
  #sent = 0
  #received = 0
  #acknowledged = 0

  private constructor(sender: SmpClient, recipient: SmpClient, queue: Queue, senderKey: AuthKey, bodySize: number) {
    this.#sender = sender
    this.#recipient = recipient
    this.#queue = queue
    this.#senderKey = senderKey
    this.#body = randomBytes(bodySize)
  }

  /** @param lines the connections of the sender and of the recipient; without them, each gets one of its own */
  static async open({ address, auth, bodySize }: PairOptions, lines?: readonly [Line, Line]): Promise<Pair> {
    const [from, to] = lines ?? [await openLine(address), await openLine(address)]
    const queue = await to.client.createQueue({ auth })
    const senderKey = generateKey(auth)
    expectReply(await from.client.skey(queue, senderKey), 'OK')
    const pair = new Pair(from.client, to.client, queue, senderKey, bodySize)
    to.recipients.set(queue.rcvId.toString('latin1'), pair)
    return pair
  }

  /** Messages that were sent and whose ACK was not answered yet. */
  get inFlight(): number {
    return this.#sent - this.#acknowledged
  }

  /** Bytes that both connections got from the relay. */
  get bytesReceived(): number {
    return this.#sender.session.stream.socket.bytesRead + this.#recipient.session.stream.socket.bytesRead
  }

  send(): void {
    const atMs = performance.now()
    this.#body.writeDoubleBE(atMs, 0)
    this.#body.writeUInt32BE(this.#sent++, 8)
    this.blocksSent++
    void this.#sender.send(this.#queue, this.#body, { key: this.#senderKey }).then((reply) => {
      expectReply(reply, 'OK')
      this.events.stored(performance.now() - atMs)
    })
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.close(), this.#recipient.close()])
  }

  take(reply: Msg): void {
    const message = decryptMessage(this.#queue.box, reply)
    if (message.type === 'quota') throw new Error('the queue is full')
    const { body } = message
    if (body.length !== this.#body.length || body.readUInt32BE(8) !== this.#received++)
      throw new Error('not the message that was sent')
    this.events.received(performance.now() - body.readDoubleBE(0))
    this.blocksSent++
    void this.#recipient.ack(this.#queue, message.id).then((next: Reply) => {
      this.#acknowledged++
      this.events.acknowledged()
      if (next.type === 'MSG') this.take(next)
      else expectReply(next, 'OK')
    })
  }
}
