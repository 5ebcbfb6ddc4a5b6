import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import { serveLines, type LineServer } from '../../transport/line-server.ts'
import { ControlConversation, type ControlledRelay } from './conversation.ts'
import { Moderation } from './moderation.ts'
import { isSet, type ControlPasswords } from './roles.ts'

export interface ControlPortOptions {
  /** 0 for any free one. */
  readonly port: number
  readonly passwords: ControlPasswords
  /** Queues that may be blocked a day; 0 is any number, -1 is none. */
  readonly dailyBlockQuota: number
  /** Milliseconds of delay after a wrong password; a second when absent. */
  readonly refusalDelayMs?: number
}

/** This machine only: nothing here is encrypted. */
const HOST = '127.0.0.1'
const MAX_LINE_LENGTH = 1024
const MAX_CONNECTIONS = 16

/**
 * Opens the control port of a relay (SMP server behaviour §11). If the port cannot be opened, the log says why and what to
 * do, and the relay serves without it.
 */
export async function openControlPort(
  relay: ControlledRelay,
  options: ControlPortOptions,
): Promise<LineServer | undefined> {
  const { log } = relay.core
  const { port, passwords, dailyBlockQuota, refusalDelayMs = 1000 } = options
  const moderation = new Moderation(relay.core, dailyBlockQuota)
  const context = { relay, moderation, passwords, refusalDelayMs }
  try {
    const server = await serveLines({
      host: HOST,
      port,
      portKey: 'control_port',
      maxLineLength: MAX_LINE_LENGTH,
      maxConnections: MAX_CONNECTIONS,
      converse: () => new ControlConversation(context),
    })
    log.info(`Control port: ${HOST}:${server.port}`)
    warnAboutPasswords(log, passwords)
    return server
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    log.warn(`Control port not opened. ${error.message} ${error.remedy ?? ''}`)
    return undefined
  }
}

function warnAboutPasswords(log: Logger, { admin, user }: ControlPasswords): void {
  if (isSet(admin) || isSet(user)) return
  log.warn(
    'Nobody can log in at the control port: set control_port_admin_password, control_port_user_password or both in section [AUTH] of smp-server.ini.',
  )
}
