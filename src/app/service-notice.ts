import { spawn } from 'node:child_process'
import type { Logger } from '../config/log.ts'

/** What a service of `Type=notify` tells systemd (sd_notify(3)), through `systemd-notify`: Node.js has no such sockets. */
export interface ServiceNotice {
  /** The ports are open. From now on systemd is told that the relay lives, as often as WatchdogSec of the unit asks. */
  ready(): void
  stopping(): void
  /** The settings are being read again; ends with `ready`. */
  reloading(): void
}

/** The notice for the service that this process is; undefined when it is none. */
export function serviceNotice(log: Logger): ServiceNotice | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched } = process.env
  // The relay's tor knows these variables as well, and would speak for the relay.
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) Reflect.deleteProperty(process.env, name)
  if (!socket) return undefined
  const intervalMs = watched === undefined || watched === String(process.pid) ? Number(watchdog ?? 0) / 1000 / 3 : 0
  const tell = teller(socket, log)
  let timer: NodeJS.Timeout | undefined
  return {
    ready: () => {
      tell('--ready')
      if (intervalMs > 0) timer ??= setInterval(() => tell('WATCHDOG=1'), intervalMs).unref()
    },
    stopping: () => {
      clearInterval(timer)
      tell('STOPPING=1')
    },
    reloading: () => {
      const microseconds = process.hrtime.bigint() / 1000n
      tell('RELOADING=1', `MONOTONIC_USEC=${microseconds}`)
    },
  }
}

/** Runs `systemd-notify`, one after the other, so that nothing arrives out of order. */
function teller(socket: string, log: Logger): (...words: readonly string[]) => void {
  let last = Promise.resolve()
  return (...words) => {
    const env = { PATH: process.env.PATH, NOTIFY_SOCKET: socket }
    last = last.then(
      () =>
        new Promise((resolve) => {
          const child = spawn('systemd-notify', words, { env, stdio: 'ignore' })
          child.on('error', (error) => {
            log.warn('cannot tell systemd how the relay is', { error })
            resolve()
          })
          child.on('close', () => resolve())
        }),
    )
  }
}
