import { NO_ENTITY, type EntityId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import { parseTransmission } from '../protocol/transmission.ts'
import type { Core } from './core.ts'
import { execute } from './dispatch.ts'
import type { Item } from './outbox.ts'
import type { Request } from './outcome.ts'
import { ReceivedBatch } from './statistics/blocks.ts'
import type { Subscriber } from './subscriber.ts'

/** Starts a command that waits for others; its reply is sent when it is ready. */
export type OnLater = (corrId: Buffer, entityId: EntityId, work: () => Promise<Reply>) => void

/** Yields inside of a command where it may be interrupted; returns its reply, if it has one now. */
type CommandExecution = Generator<undefined, Item | undefined, undefined>

/** The commands of one received block, executed one after the other, with pauses between them and inside of long ones. */
export class BlockExecution {
  readonly #request: Request
  readonly #batch = new ReceivedBatch()
  readonly #transmissions: readonly Buffer[]
  readonly #onLater: OnLater
  #next = 0
  #command: CommandExecution | undefined

  constructor(core: Core, session: Subscriber, transmissions: readonly Buffer[], onLater: OnLater) {
    this.#request = { core, session, version: session.link.version, forwarded: false, batch: this.#batch }
    this.#transmissions = transmissions
    this.#onLater = onLater
  }

  get isDone(): boolean {
    return this.#command === undefined && this.#next >= this.#transmissions.length
  }

  /** Executes commands until the time has come, at least a part of one; the replies to those that are done. */
  run(untilMs: number): Item[] {
    const replies: Item[] = []
    while (!this.isDone) {
      const command = (this.#command ??= this.#start())
      const { done, value } = command.next()
      if (done === true) this.#command = undefined
      if (value !== undefined) replies.push(value)
      if (performance.now() >= untilMs) break
    }
    if (this.isDone) this.#batch.count(this.#request.core.stats)
    return replies
  }

  *#start(): CommandExecution {
    const bytes = this.#transmissions[this.#next++]
    if (bytes === undefined) return undefined
    const parsed = parseTransmission(bytes, this.#request.session.link.transmissionContext)
    const { corrId } = parsed
    if (parsed.type === 'error') return { corrId, entityId: NO_ENTITY, reply: { type: 'ERR', error: parsed.error } }
    const { entityId } = parsed
    const outcome = yield* execute(this.#request, parsed)
    if ('reply' in outcome) return { corrId, entityId, reply: outcome.reply, durable: outcome.durable === true }
    this.#onLater(corrId, entityId, outcome.later)
    return undefined
  }
}
