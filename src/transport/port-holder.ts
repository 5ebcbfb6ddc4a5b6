import { readdir, readFile, readlink } from 'node:fs/promises'
import { programName } from '../system/process-text.ts'

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number
  readonly name: string
}

const LISTEN_STATE = '0A'

/**
 * The process that listens on a TCP port of this machine, as far as /proc shows it (proc(5): net/tcp, PID/fd); undefined
 * when there is none, when it belongs to another user, or where there is no /proc.
 */
export async function portHolder(port: number, proc = '/proc'): Promise<PortHolder | undefined> {
  const inodes = new Set<string>()
  for (const table of ['tcp6', 'tcp']) {
    for (const inode of listeningInodes(await textOf(`${proc}/net/${table}`), port)) inodes.add(inode)
  }
  if (inodes.size === 0) return undefined
  for (const entry of await namesIn(proc)) {
    if (/^\d+$/.test(entry) && (await holdsSocket(`${proc}/${entry}/fd`, inodes))) {
      const pid = Number(entry)
      return { pid, name: programName(pid, proc) }
    }
  }
  return undefined
}

/**
 * Socket inodes of the rows of a proc/net/tcp table that listen on `port`.
 *
 *     row = sl ":" SP localAddress ":" port16hex SP remote SP state SP … ; field 9 is the inode
 */
export function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) === true && fields[3] === LISTEN_STATE)
    .flatMap((fields) => fields[9] ?? [])
}

async function holdsSocket(folder: string, inodes: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await namesIn(folder)) {
    const inode = /^socket:\[(\d+)\]$/.exec(await linkOf(`${folder}/${fd}`))?.[1]
    if (inode !== undefined && inodes.has(inode)) return true
  }
  return false
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '')
}

function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}

function linkOf(path: string): Promise<string> {
  return readlink(path).catch(() => '')
}
