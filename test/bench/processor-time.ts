import { readdirSync, readFileSync } from 'node:fs'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process or thread has ended meanwhile.
    return ''
  }
}

const entries = (path: string): string[] => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** A process and all that it has started and that still run: their numbers. */
export const processTree = (pid: number): number[] => {
  const children = new Map<number, number[]>()
  for (const name of entries('/proc').filter((one) => /^\d+$/.test(one))) {
    const parent = Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${name}/status`))?.[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree = [pid]
  for (const one of tree) tree.push(...(children.get(one) ?? []))
  return tree
}

/** Ticks in a second of the times in /proc/PID/stat. */
const TICKS = 100

/** Processor time of the children of a process that have ended, ms. */
const timeOfEnded = (pid: number): number => {
  // The name of the program, in brackets, may have spaces.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []
  return ((Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) * 1000) / TICKS
}

/** Processor time of all threads of these processes so far, and of their children that have ended, ms. */
export const processorTime = (pids: readonly number[]): number => {
  let ns = 1e6 * pids.reduce((sum, pid) => sum + timeOfEnded(pid), 0)
  for (const pid of pids) {
    for (const tid of entries(`/proc/${pid}/task`))
      ns += Number(read(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0])
  }
  return ns / 1e6
}

/** Most memory that a process has had so far, bytes; 0 when it has ended. */
export const peakMemoryOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024

/** Memory of a process now, bytes: all, and without the pages of files. */
export const memoryOf = (pid: number): { rss: number; anonymous: number } => {
  const status = read(`/proc/${pid}/status`)
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { rss: bytes('VmRSS'), anonymous: bytes('RssAnon') }
}
