import type { IOType, StdioOptions } from 'node:child_process'
import { openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'

const CLOSE_ON_EXEC = 0o2000000
let nowhere: number | undefined

/**
 * The `stdio` of a child that inherits nothing but its first three descriptors. Node.js closes its own ones when a
 * program is started, but a native library may not: LMDB leaves its data file open for reading and writing. Each of
 * those becomes /dev/null in the child.
 */
export async function privateStdio(stdio: readonly [IOType, IOType, IOType]): Promise<StdioOptions> {
  const open = await inheritable()
  const highest = Math.max(...open)
  if (highest < stdio.length) return [...stdio]
  const empty = (nowhere ??= openSync('/dev/null', 'r'))
  // The others stay as they are: through one of them Node.js learns that a program cannot be run.
  const rest = (descriptor: number): IOType | number => (open.has(descriptor) ? empty : 'ignore')
  return Array.from({ length: highest + 1 }, (_, descriptor) => stdio[descriptor] ?? rest(descriptor))
}

/** The descriptors of this process that a child would inherit; only stdin where the system does not tell. */
async function inheritable(): Promise<Set<number>> {
  const directory = '/proc/self/fdinfo'
  const names = await readdir(directory).catch(() => [])
  const found = new Set([0])
  for (const name of names) {
    const flags = /^flags:\s*([0-7]+)$/m.exec(await readFile(`${directory}/${name}`, 'utf8').catch(() => ''))?.[1]
    if (flags !== undefined && (parseInt(flags, 8) & CLOSE_ON_EXEC) === 0) found.add(Number(name))
  }
  return found
}
