import { setTimeout as sleep } from 'node:timers/promises'
import type { LineConversation } from '../../transport/line-server.ts'
import type { Core } from '../core.ts'
import type { Ask } from '../process-answers.ts'
import { parseControlCommand, type ControlCommand, type ControlVerb } from './command.ts'
import { CLIENTS_HEADER, socketLines } from './connection-lines.ts'
import type { Moderation } from './moderation.ts'
import { runtimeLines, threadLines } from '../process-facts.ts'
import { sumLive } from '../statistics/live.ts'
import type { Statistics } from '../statistics/statistics.ts'
import { mayUse, roleFor, roleLine, type ControlPasswords, type Role } from './roles.ts'
import { serverInfoLines } from './server-info.ts'
import { statsLines } from './stats-lines.ts'

/** The running relay, as the control port sees it. */
export interface ControlledRelay {
  readonly core: Core
  readonly ask: Ask
  readonly statistics: Pick<Statistics, 'save'>
}

export interface ControlContext {
  readonly relay: ControlledRelay
  readonly moderation: Moderation
  readonly passwords: ControlPasswords
  /** Milliseconds of delay after a wrong password. */
  readonly refusalDelayMs: number
}

const IDLE_MS = 3_600_000
/** Before login. */
const IDLE_STRANGER_MS = 120_000

/** Commands that are not logged. */
const UNLOGGED: readonly ControlVerb[] = ['nothing', 'auth', 'help', 'quit']

const HELP =
  'commands: stats, stats-rts, clients, sockets, socket-threads, threads, server-info, delete, save, help, quit'

/** One connection to the control port. */
export class ControlConversation implements LineConversation {
  readonly greeting = ['SMP server control port', "'help' for supported commands"]
  #role: Role = 'none'
  #ended = false
  readonly #context: ControlContext

  constructor(context: ControlContext) {
    this.#context = context
  }

  get ended(): boolean {
    return this.#ended
  }

  get idleMs(): number {
    return this.trusted ? IDLE_MS : IDLE_STRANGER_MS
  }

  get trusted(): boolean {
    return this.#role !== 'none'
  }

  async *answer(line: string): AsyncGenerator<string> {
    const command = parseControlCommand(line)
    if (command.type === 'fault') {
      yield `error: ${command.message}`
      return
    }
    const { log } = this.#context.relay.core
    // The word alone: ids and passwords stay out of the log.
    if (!UNLOGGED.includes(command.type)) log.warn(`ControlPort: ${command.type}`)
    if (!mayUse(this.#role, command.type)) {
      log.error('Unauthorized control port command')
      yield 'AUTH'
      return
    }
    try {
      yield* this.#perform(command)
    } catch (error) {
      log.error(`control port command ${command.type} failed`, { error })
      yield 'error: the command failed, see the log of the relay'
    }
  }

  async *#perform(command: ControlCommand): AsyncGenerator<string> {
    const { relay, moderation } = this.#context
    const { core, ask } = relay
    switch (command.type) {
      case 'nothing':
        return
      case 'quit':
        this.#ended = true
        return
      case 'help':
        yield HELP
        return
      case 'auth':
        yield await this.#authenticate(command.password)
        return
      case 'suspend':
      case 'resume':
        yield `${command.type} not implemented`
        return
      case 'stats':
        yield* statsLines({ stats: core.stats, counts: await core.engine.counts() }, this.#role)
        return
      case 'stats-rts':
        for (const facts of await ask('runtime')) yield* runtimeLines(facts)
        return
      case 'threads':
        yield* threadLines((await ask('threads')).flat())
        return
      case 'clients':
        yield CLIENTS_HEADER
        for (const lines of await ask('clients')) yield* lines
        return
      case 'sockets':
        yield* socketLines(sumLive(await ask('live')).sockets)
        return
      case 'socket-threads':
        for (const lines of await ask('socketThreads')) yield* lines
        return
      case 'server-info':
        yield* serverInfoLines(await ask('info'), this.#role)
        return
      case 'status':
        yield await moderation.status(command.id)
        return
      case 'delete':
        yield await moderation.delete(command.id)
        return
      case 'block':
        yield await moderation.block(command.id, command.status)
        return
      case 'unblock':
        yield await moderation.unblock(command.id)
        return
      case 'save':
        yield 'saving server state...'
        await core.engine.flushed()
        await relay.statistics.save()
        yield 'server state saved!'
    }
  }

  async #authenticate(password: string): Promise<string> {
    const { passwords, relay, refusalDelayMs } = this.#context
    const asked = roleFor(password, passwords)
    if (this.#role !== 'none') return roleLine(this.#role, asked)
    this.#role = asked
    if (asked === 'none') {
      relay.core.log.warn('ControlPort: wrong password')
      await sleep(refusalDelayMs)
    }
    return roleLine(asked, asked)
  }
}
