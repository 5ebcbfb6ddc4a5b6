import type { BlockChannel } from '../transport/channel.ts'
import type { OnChannel } from '../transport/listener.ts'
import type { RelayCredentials } from '../transport/credentials.ts'
import { acceptHandshake } from '../transport/server-handshake.ts'
import type { Background } from './background.ts'
import type { Core } from './core.ts'
import type { Scheduler } from './scheduler.ts'
import { lookupService } from './service-session.ts'
import { Session } from './session.ts'

export interface SessionsOptions {
  /** For the SMP handshake, milliseconds. */
  readonly handshakeTimeoutMs: number
  readonly scheduler: Scheduler
  readonly background: Background
}

/** The connections of a relay, from their handshake to their end. */
export class Sessions {
  readonly all: ReadonlySet<Session>
  readonly #sessions = new Set<Session>()
  readonly #core: Core
  readonly #options: SessionsOptions
  #lastId = 0

  constructor(core: Core, options: SessionsOptions) {
    this.#core = core
    this.#options = options
    this.all = this.#sessions
  }

  readonly accept: OnChannel = (channel, credentials, challenge) => {
    this.#open(channel, credentials, challenge).catch((error: unknown) => {
      this.#core.log.error('a handshake failed', { error })
      channel.close()
    })
  }

  async #open(channel: BlockChannel, credentials: RelayCredentials, challenge: Buffer | undefined): Promise<void> {
    const { handshakeTimeoutMs, scheduler, background } = this.#options
    const core = this.#core
    const link = await acceptHandshake(channel, {
      credentials,
      timeoutMs: handshakeTimeoutMs,
      ...(challenge && { challenge }),
      lookupService: (service) => lookupService(core, service),
    })
    if (link === undefined) return
    const session = new Session(core, ++this.#lastId, link, scheduler, () => {
      this.#sessions.delete(session)
      background.start(endSubscriptions(core, session), core.log)
    })
    this.#sessions.add(session)
  }
}

/** Ends everything that a connection was subscribed to; each step is about one subscription. */
export function* endSubscriptions(core: Core, session: Session): Generator<undefined, void, undefined> {
  const { subscriptions } = core
  const { service } = session.link
  if (service !== undefined) {
    subscriptions.unsubscribeService('R', service.serviceId, session)
    subscriptions.unsubscribeService('N', service.serviceId, session)
  }
  for (const subscription of session.subscriptions.values()) {
    subscriptions.unsubscribe(subscription)
    yield
  }
  for (const notifierId of session.notifiers) {
    subscriptions.unsubscribeNotifier(notifierId, session)
    yield
  }
}
