import { NO_ENTITY, type EntityId } from '../protocol/ids.ts'
import type { Reply } from '../protocol/reply.ts'
import { parseTransmission } from '../protocol/transmission.ts'
import type { StoreError } from '../store/store.ts'
import type { Needs, Work } from '../store/work.ts'
import type { Core } from './core.ts'
import { execute, type Execution } from './dispatch.ts'
import type { Item } from './outbox.ts'
import type { Request } from './outcome.ts'
import { ReceivedBatch } from './statistics/blocks.ts'
import type { Subscriber } from './subscriber.ts'

/** Starts a command that waits for others; its reply is sent when it is ready. */
export type OnLater = (corrId: Buffer, entityId: EntityId, work: () => Promise<Reply>) => void

/** Yields inside of a command where it may be interrupted; returns its reply, if it has one now. */
type CommandExecution = Execution<Item | undefined>

/** A command that was read: it waits for what it needs, or has its reply already. */
interface Prepared {
  readonly command: CommandExecution
  readonly waits: boolean
}

/**
 * The commands of one received block, executed one after the other, with pauses between them and inside of long ones.
 * With a store that has to load, {@link prepare} reads them all first, {@link load} gives them what they need, and
 * {@link run} executes them.
 */
export class BlockExecution {
  readonly #core: Core
  /** What has been loaded takes the place of the store in it. */
  readonly #unit: { store: Work } | undefined
  readonly #request: Request
  readonly #batch = new ReceivedBatch()
  readonly #transmissions: readonly Buffer[]
  readonly #onLater: OnLater
  #next = 0
  #command: CommandExecution | undefined
  #prepared: Prepared[] = []
  readonly #needs: Needs[] = []
  /** What the commands need is there. */
  #isLoaded: boolean

  constructor(core: Core, session: Subscriber, transmissions: readonly Buffer[], onLater: OnLater) {
    this.#isLoaded = !core.engine.loads
    const unit = core.engine.loads ? { ...core } : undefined
    this.#unit = unit
    this.#core = unit ?? core
    this.#request = { core: this.#core, session, version: session.link.version, forwarded: false, batch: this.#batch }
    this.#transmissions = transmissions
    this.#onLater = onLater
  }

  get isDone(): boolean {
    return this.#command === undefined && this.#next >= this.#transmissions.length && this.#prepared.length === 0
  }

  /** Whether something has to be loaded before the commands can be executed. */
  get isUnloaded(): boolean {
    return !this.#isLoaded
  }

  /** What all commands together need, once they are prepared; undefined when they need nothing. */
  get needs(): Needs | undefined {
    if (this.#needs.length === 0) return undefined
    const certHash = this.#needs.find((needs) => needs.certHash !== undefined)?.certHash
    return {
      queues: this.#needs.flatMap(({ queues = [] }) => queues),
      newIds: this.#needs.flatMap(({ newIds = [] }) => newIds),
      services: this.#needs.flatMap(({ services = [] }) => services),
      ...(certHash && { certHash }),
    }
  }

  /** Resolves when what was executed so far is durable; to be called in the same turn of the event loop. */
  committed(): Promise<void> {
    return this.#core.store.committed()
  }

  /** Reads commands until the time has come; whether all are read. */
  prepare(untilMs: number): boolean {
    while (this.#next < this.#transmissions.length) {
      const command = this.#start()
      const { done, value } = command.next()
      this.#prepared.push(done === true ? { command: answered(value), waits: false } : { command, waits: true })
      if (done !== true && value !== undefined) this.#needs.push(value)
      if (performance.now() >= untilMs) break
    }
    return this.#next >= this.#transmissions.length
  }

  /** Gives the prepared commands what they need. */
  load(work: Work): void {
    if (this.#unit !== undefined) this.#unit.store = work
    this.#isLoaded = true
  }

  /** Has the prepared commands answer that what they need could not be loaded. */
  refuse(error: StoreError): void {
    this.#isLoaded = true
    this.#prepared = this.#prepared.map(({ command, waits }) => {
      if (!waits) return { command, waits }
      const { done, value } = command.throw(error)
      return { command: answered(done === true ? value : undefined), waits: false }
    })
  }

  /** Executes commands until the time has come, at least a part of one; the replies to those that are done. */
  run(untilMs: number): Item[] {
    const replies: Item[] = []
    while (!this.isDone) {
      const command = (this.#command ??= this.#prepared.shift()?.command ?? this.#start())
      const { done, value } = command.next()
      if (done === true) {
        this.#command = undefined
        if (value !== undefined) replies.push(value)
      }
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

// eslint-disable-next-line require-yield -- there is nothing left to do
function* answered(reply: Item | undefined): CommandExecution {
  return reply
}
