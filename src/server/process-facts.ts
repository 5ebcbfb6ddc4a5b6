import { readdir, readFile } from 'node:fs/promises'

/** A thread of this process, as the system knows it. */
export interface Thread {
  readonly id: number
  readonly running: boolean
  readonly name: string
}

/** The threads of this process (proc(5): PID/task); none where there is no /proc. */
export async function threadsOf(proc = '/proc/self'): Promise<Thread[]> {
  const ids = await readdir(`${proc}/task`).catch(() => [])
  const threads = await Promise.all(ids.map((id) => threadOf(`${proc}/task/${id}/stat`)))
  return threads.filter((thread) => thread !== undefined)
}

/**
 *     stat = pid SP "(" name ")" SP state SP …          ; the name may hold anything, state is "R" while it runs
 */
async function threadOf(file: string): Promise<Thread | undefined> {
  const match = /^(\d+) \((.*)\) (\S) /s.exec(await readFile(file, 'latin1').catch(() => ''))
  if (match === null) return undefined
  return { id: Number(match[1]), running: match[3] === 'R', name: match[2] ?? '' }
}

/** The lines of `threads`. */
export function threadLines(threads: readonly Thread[]): string[] {
  const line = ({ id, running, name }: Thread): string =>
    `ThreadId ${id} (${running ? 'ThreadRunning' : 'ThreadBlocked'}) ${name}`
  return [`Threads: ${threads.length}`, ...threads.map(line)]
}

/** What Node.js tells about itself, for `stats-rts`: bytes, and seconds since the start. */
export interface RuntimeFacts {
  readonly version: string
  readonly uptime: number
  readonly cpu: NodeJS.CpuUsage
  readonly memory: NodeJS.MemoryUsage
}

export function runtimeFacts(): RuntimeFacts {
  return {
    version: process.version,
    uptime: process.uptime(),
    cpu: process.cpuUsage(),
    memory: process.memoryUsage(),
  }
}

/** The lines of `stats-rts`. */
export function runtimeLines({ version, uptime, cpu, memory }: RuntimeFacts): string[] {
  return [
    `node: ${version}`,
    `uptime: ${uptime.toFixed(3)} s`,
    `cpu user: ${(cpu.user / 1e6).toFixed(3)} s`,
    `cpu system: ${(cpu.system / 1e6).toFixed(3)} s`,
    `memory resident: ${memory.rss} bytes`,
    `memory heap used: ${memory.heapUsed} bytes`,
    `memory heap total: ${memory.heapTotal} bytes`,
    `memory external: ${memory.external} bytes`,
  ]
}
