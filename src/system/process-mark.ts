import { readFileSync } from 'node:fs'
import { errorCode } from './error-code.ts'

/** A process, distinguished from a later one with the same number. */
export interface ProcessMark {
  readonly pid: number
  /** Start time in ticks of the kernel; `undefined` without /proc. */
  readonly processStart?: string
}

export function thisProcess(): ProcessMark {
  return processMark(process.pid)
}

export function processMark(pid: number): ProcessMark {
  const processStart = processStartOf(pid)
  return { pid, ...(processStart !== undefined && { processStart }) }
}

/** Whether it still runs. */
export function isRunning({ pid, processStart }: ProcessMark): boolean {
  if (processStart !== undefined) return processStartOf(pid) === processStart
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** proc(5), field 22 of stat. The program name before it may contain anything, but the last `)` ends it. */
function processStartOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : fields[18]
  } catch {
    return undefined
  }
}
