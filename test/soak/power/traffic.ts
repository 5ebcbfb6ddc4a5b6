import { randomBytes } from 'node:crypto'
import { connectClient, type SmpClient } from '../../client/client.ts'
import type { RelayAddress } from '../../client/connection.ts'
import { generateKey, type AuthKey } from '../../client/keys.ts'
import type { Queue } from '../../client/queue.ts'
import type { Reply } from '../../client/replies.ts'
import { Random } from '../../fuzz/random.ts'
import { bodyOf, History, NEW_QUEUE, type QueueState, type Step } from './history.ts'

/** More wait in no queue, so that its quota is never reached. */
const MAX_WAITING = 60
/** Whole bodies fill a block; most are smaller. */
const SIZES = [60, 1000, 5000, 16_000] as const

const now = (): bigint => process.hrtime.bigint()

/**
 * One client, one queue after the other: every command that changes something, and a note of when it was sent and when it
 * was promised. All commands about a queue go through one connection, so that the relay has them in this order.
 */
class Actor {
  readonly histories: History[] = []
  readonly #client: SmpClient
  readonly #random: Random
  readonly #name: string

  constructor(client: SmpClient, random: Random, name: string) {
    this.#client = client
    this.#random = random
    this.#name = name
  }

  async run(steps: number): Promise<void> {
    for (let left = steps; left > 0;) {
      const history = new History()
      this.histories.push(history)
      const queue = new ActedQueue(this.#client, this.#random, history, `${this.#name}/${this.histories.length}`)
      await queue.create()
      const length = Math.min(left, 10 + this.#random.below(60))
      for (let count = 0; count < length; count++) await queue.act()
      left -= length
      if (this.#random.once(2)) await queue.delete()
    }
    await this.#client.close()
  }
}

class ActedQueue {
  readonly #client: SmpClient
  readonly #random: Random
  readonly #history: History
  readonly #name: string
  #queue: Queue | undefined
  #state: QueueState = NEW_QUEUE
  #senderKey: AuthKey | undefined
  #sent = 0

  constructor(client: SmpClient, random: Random, history: History, name: string) {
    this.#client = client
    this.#random = random
    this.#history = history
    this.#name = name
  }

  async create(): Promise<void> {
    const done = this.#begin('NEW', () => NEW_QUEUE)
    this.#queue = await this.#client.createQueue()
    done()
    this.#history.created(this.#queue.rcvId)
  }

  async act(): Promise<void> {
    const { messages, isOff } = this.#state
    const kind = this.#random.below(12)
    if (kind === 0) await this.#secure()
    else if (kind === 1) await this.#changeLink()
    else if (kind === 2) await this.#changeNotifier()
    else if (kind === 3 && this.#random.once(6)) await this.#suspend()
    else if (messages.length > 0 && (kind < 7 || isOff || messages.length > MAX_WAITING)) await this.#acknowledge()
    else if (!isOff) await this.#send(1 + this.#random.below(6))
  }

  async delete(): Promise<void> {
    const done = this.#begin('DEL', () => undefined)
    expectType(await this.#client.del(this.queue), 'OK')
    done()
  }

  get queue(): Queue {
    if (this.#queue === undefined) throw new Error('the queue was not created')
    return this.#queue
  }

  /** Notes a step that is sent now. @returns to be called when it is promised */
  #begin(name: string, apply: Step['apply']): () => void {
    const step: Step = { name, sentAt: now(), promisedAt: undefined, apply }
    this.#history.steps.push(step)
    this.#state = apply(this.#state) ?? NEW_QUEUE
    return () => {
      step.promisedAt = now()
    }
  }

  async #send(count: number): Promise<void> {
    const replies = Array.from({ length: count }, async () => {
      const text = `${this.#name}#${this.#sent++}`
      const body = bodyOf(text, this.#random.of(SIZES))
      const done = this.#begin('SEND', (state) => ({
        ...state,
        // A message to an invitation that has been secured ends its link.
        ...(state.isSecured && { linkId: undefined, userData: undefined }),
        messages: [...state.messages, text],
      }))
      expectType(await this.#client.send(this.queue, body, { ...(this.#senderKey && { key: this.#senderKey }) }), 'OK')
      done()
    })
    await Promise.all(replies)
  }

  async #secure(): Promise<void> {
    if (this.#senderKey !== undefined) return
    const key = generateKey('ed25519')
    const bySender = this.#random.once(2)
    const done = this.#begin(bySender ? 'SKEY' : 'KEY', (state) => ({ ...state, isSecured: true }))
    const reply = bySender ? this.#client.skey(this.queue, key) : this.#client.key(this.queue, key)
    expectType(await reply, 'OK')
    done()
    this.#senderKey = key
  }

  async #changeLink(): Promise<void> {
    if (this.#state.linkId !== undefined) {
      const done = this.#begin('LDEL', (state) => ({ ...state, linkId: undefined, userData: undefined }))
      expectType(await this.#client.ldel(this.queue), 'OK')
      done()
      return
    }
    if (this.#senderKey !== undefined) return
    const linkId = randomBytes(24)
    const userData = `data of ${this.#name}`
    const done = this.#begin('LSET', (state) => ({ ...state, linkId: linkId.toString('hex'), userData }))
    expectType(await this.#client.lset(this.queue, linkId, Buffer.from('fixed'), Buffer.from(userData)), 'OK')
    done()
  }

  async #changeNotifier(): Promise<void> {
    if (this.#state.notifierId !== undefined) {
      const done = this.#begin('NDEL', (state) => ({ ...state, notifierId: undefined }))
      expectType(await this.#client.ndel(this.queue), 'OK')
      done()
      return
    }
    // The relay chooses the id.
    let notifierId = ''
    const done = this.#begin('NKEY', (state) => ({ ...state, notifierId }))
    notifierId = (await this.#client.nkey(this.queue)).notifierId.toString('hex')
    done()
    this.#state = { ...this.#state, notifierId }
  }

  async #suspend(): Promise<void> {
    const done = this.#begin('OFF', (state) => ({ ...state, isOff: true }))
    expectType(await this.#client.off(this.queue), 'OK')
    done()
  }

  /** Promises nothing; what is promised after it promises it too. */
  async #acknowledge(): Promise<void> {
    const { id } = this.#client.read(this.queue, await this.#head())
    this.#begin('ACK', (state) => ({ ...state, messages: state.messages.slice(1) }))
    const reply = await this.#client.ack(this.queue, id)
    if (reply.type === 'MSG') this.#next = reply
    else expectType(reply, 'OK')
  }

  /** The first message, as an ACK or an event has brought it. */
  #next: Reply | undefined

  async #head(): Promise<Reply> {
    const brought = this.#next
    this.#next = undefined
    if (brought !== undefined) return brought
    for (;;) {
      const { entityId, reply } = await this.#client.nextEvent()
      if (entityId.equals(this.queue.rcvId) && reply.type === 'MSG') return reply
    }
  }
}

function expectType(reply: Reply, type: Reply['type']): void {
  if (reply.type !== type) throw new Error(`${type} wanted, ${JSON.stringify(reply)} came`)
}

export interface TrafficOptions {
  readonly seed: number
  readonly clients: number
  /** Of each client, about. */
  readonly steps: number
}

/** Many clients at once. @returns what they did to each queue */
export async function makeTraffic(
  address: RelayAddress,
  { seed, clients, steps }: TrafficOptions,
): Promise<readonly History[]> {
  const actors = await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const client = await connectClient(address, { requestTimeoutMs: 60_000 })
      return new Actor(client, new Random(seed * 1000 + index), `${seed}.${index}`)
    }),
  )
  await Promise.all(actors.map((actor) => actor.run(steps)))
  return actors.flatMap(({ histories }) => histories)
}
