import type { Background } from './background.ts'
import { seconds, type Core } from './core.ts'
import type { ServeOptions, Timeouts } from './serve-options.ts'
import type { Session } from './session.ts'
import { every } from './timer.ts'

/** Periodic work: expiry, closing useless connections, reports. */
export function maintain(
  core: Core,
  sessions: ReadonlySet<Session>,
  background: Background,
  timeouts: Timeouts,
): { stop(): void }[] {
  const { engine, stats, log } = core
  const expireMessages = async (): Promise<void> => {
    const result = await engine.expireQueues(seconds(core) - core.policy.messageTtl)
    stats.msgExpired += result.expired
    log.info(`messages stored: ${result.stored}, expired: ${result.expired}, queues: ${result.queues}`)
  }
  const expireNotifications = async (): Promise<void> => {
    stats.msgNtfExpired += await engine.expireNotifications(seconds(core) - core.policy.notificationTtl)
  }
  const closeStalled = (): Promise<void> => {
    const before = core.now() - timeouts.stall
    return background.run(closeIf(sessions, ({ stalledAt }) => stalledAt !== undefined && stalledAt < before))
  }
  if (core.policy.expireOnStart === true) {
    expireMessages().catch((error: unknown) => log.error('expiring messages at start failed', { error }))
  }
  const { creationPassword } = core
  let reported = 0
  const reportGuesses = (): void => {
    const guesses = creationPassword.wrong - reported
    reported = creationPassword.wrong
    if (guesses > 0) log.warn(`wrong creation password: ${guesses} times in the last minute`)
  }
  engine.removeUnusedServices().catch((error: unknown) => log.error('removing unused services failed', { error }))
  return [
    every(timeouts.expireMessages, log, expireMessages),
    every(timeouts.expireNotifications, log, expireNotifications),
    every(Math.max(1000, timeouts.stall / 4), log, closeStalled),
    every(60_000, log, () => core.relays.expire()),
    every(timeouts.report, log, reportGuesses),
  ]
}

/** Closes connections that are inactive, now and then. */
export function closeInactive(
  core: Core,
  sessions: ReadonlySet<Session>,
  background: Background,
  { ttl, checkInterval }: NonNullable<ServeOptions['inactiveClients']>,
): { stop(): void } {
  return every(checkInterval * 1000, core.log, () => {
    const before = core.now() - ttl * 1000
    return background.run(closeIf(sessions, (session) => session.activeAt < before && !session.hasSubscriptions))
  })
}

function* closeIf(
  sessions: ReadonlySet<Session>,
  condition: (session: Session) => boolean,
): Generator<undefined, void, undefined> {
  for (const session of sessions) {
    if (condition(session)) session.close()
    yield
  }
}
