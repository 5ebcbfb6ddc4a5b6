import { existsSync, readlinkSync } from 'node:fs'

/** What Linux adds to the link of a program whose file was removed or replaced (proc(5), exe). */
const DELETED = ' (deleted)'

/**
 * Whether a running process is of a program that was replaced since, as an upgrade does. False for one that was removed
 * without another in its place, and where it cannot be seen: without /proc, or a process of another user.
 */
export function isProgramReplaced(pid: number): boolean {
  try {
    const program = readlinkSync(`/proc/${pid}/exe`)
    return program.endsWith(DELETED) && existsSync(program.slice(0, -DELETED.length))
  } catch {
    return false
  }
}
