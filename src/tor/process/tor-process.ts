import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../config/log.ts'
import { privateStdio } from '../../system/private-stdio.ts'
import { isRunning, type ProcessMark } from '../../system/process-mark.ts'
import type { TorControl } from '../control/tor-control.ts'
import { crashReason, isHarmlessWarning, parseTorLog } from './tor-log.ts'
import { reasonOf, torMissing } from './torrc.ts'

/** A tor that runs: a child, or one that an earlier relay started. */
export interface TorProcess {
  readonly pid: number
  /** Resolves with tor's own reason when the process has ended. */
  readonly exited: Promise<string>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
  /** This process may end, and tor goes on. */
  leave(): void
}

export interface TorCommand {
  readonly binary: string
  readonly args: readonly string[]
  readonly directory: string
  /** It survives this process, and what is typed at its terminal. */
  readonly isKept: boolean
  readonly log: Logger
}

/** @throws AppError `TOR_MISSING` */
export async function spawnTor({ binary, args, directory, isKept, log }: TorCommand): Promise<TorProcess> {
  const stdio = await privateStdio(['ignore', 'pipe', isKept ? 'ignore' : 'inherit'])
  return await new Promise((resolve, reject) => {
    const child = spawn(binary, args, { cwd: directory, stdio, detached: isKept })
    const recent: string[] = []
    const warn = warnings(log)
    createInterface({ input: child.stdout ?? Readable.from([]) }).on('line', (line) => {
      recent.push(line)
      if (recent.length > 30) recent.shift()
      const entry = parseTorLog(line)
      if (entry?.level === 'warn') warn(entry.text)
      else if (entry) log[entry.level === 'err' ? 'error' : 'debug'](`tor: ${entry.text.trimEnd()}`)
    })
    const exited = new Promise<string>((resolveExit) => {
      child.once('close', (status, signal) => {
        const crash = signal === null ? undefined : crashReason(recent)
        if (signal !== null) resolveExit(`it was ended by ${signal}${crash === undefined ? '' : ` (${crash})`}`)
        else resolveExit(status === 0 ? 'it was told to stop' : reasonOf(recent.join('\n')))
      })
    })
    child.once('error', (error) => reject(torMissing(binary, error)))
    child.once('spawn', () =>
      resolve({
        pid: child.pid ?? 0,
        exited,
        kill: (signal) => child.kill(signal),
        leave: () => {
          child.stdout?.destroy()
          child.unref()
        },
      }),
    )
  })
}

const EXIT_POLL_MS = 50

/** A tor of an earlier relay; its log goes nowhere any more, so its warnings come through the control connection. */
export function adoptedProcess(tor: ProcessMark, control: TorControl, log: Logger): TorProcess {
  const warn = warnings(log)
  control.onEvent((event) => {
    if (event.type === 'warning') warn(event.text)
  })
  let isLeft = false
  const ended = async (): Promise<string> => {
    await control.closed
    while (isLeft || isRunning(tor)) await sleep(EXIT_POLL_MS, undefined, { ref: false })
    return 'an earlier relay started it, so its reason is not known'
  }
  return {
    pid: tor.pid,
    exited: ended(),
    kill: (signal) => {
      if (isRunning(tor)) process.kill(tor.pid, signal)
    },
    leave: () => (isLeft = true),
  }
}

/** Some warnings are repeated at every change of a setting. */
function warnings(log: Logger): (text: string) => void {
  const logged = new Set<string>()
  return (text) => {
    const isNew = !isHarmlessWarning(text) && !logged.has(text)
    if (isNew && logged.size < 100) logged.add(text)
    log[isNew ? 'warn' : 'debug'](`tor: ${text.trimEnd()}`)
  }
}
