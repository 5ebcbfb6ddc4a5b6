import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * How many bytes a process may use: the least that its control group or one above it allows (cgroups(7), both versions);
 * `Infinity` without a limit.
 *
 * @param root where `/proc` and `/sys` are
 */
export function memoryLimit(pid: number | undefined, root = '/'): number {
  const groups = read(join(root, `proc/${pid ?? 'self'}/cgroup`))
  const unified = /^0::(.*)$/m.exec(groups)?.[1]
  const memory = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1]
  return Math.min(
    ...upwards(unified).map((group) => bytesIn(join(root, 'sys/fs/cgroup', group, 'memory.max'))),
    ...upwards(memory).map((group) => bytesIn(join(root, 'sys/fs/cgroup/memory', group, 'memory.limit_in_bytes'))),
  )
}

function upwards(group: string | undefined): string[] {
  if (group === undefined) return []
  return group === dirname(group) ? [group] : [group, ...upwards(dirname(group))]
}

/** `max`, and a file that is not there, are no limit. */
function bytesIn(path: string): number {
  const bytes = parseInt(read(path), 10)
  return Number.isNaN(bytes) ? Infinity : bytes
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
