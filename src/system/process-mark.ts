import { readFileSync } from 'node:fs'
import { errorCode } from './error-code.ts'

/** A process, told apart from a later one that was given the same number. */
export interface ProcessMark {
  readonly pid: number
  /** When the kernel started it, in its ticks; `undefined` where there is no /proc. */
  readonly processStart?: string
}

export function thisProcess(): ProcessMark {
  const processStart = processStartOf(process.pid)
  return { pid: process.pid, ...(processStart !== undefined && { processStart }) }
}

/** Whether it runs still. */
export function isRunning({ pid, processStart }: ProcessMark): boolean {
  if (processStart !== undefined) return processStartOf(pid) === processStart
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** proc(5), field 22 of stat: the program's name in front of it may hold anything, but no later `)`. */
function processStartOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : fields[18]
  } catch {
    return undefined
  }
}
