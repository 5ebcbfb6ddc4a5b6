import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The process that listens on a TCP port, e.g. `nginx (process 812)`, as far as /proc shows it to this user: others'
 * processes are visible to root only.
 */
export async function portHolder(port: number): Promise<string | undefined> {
  const inodes = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const inode of listeningInodes(await readFile(table, 'utf8').catch(() => ''), port)) inodes.add(inode)
  }
  if (inodes.size === 0) return undefined
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  for (const pid of processes) {
    if (!(await hasSocket(pid, inodes))) continue
    const name = await readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => '')
    return `${name.trim() || 'unknown'} (process ${pid})`
  }
  return undefined
}

/** Inodes of the sockets that listen on `port` in the text of /proc/net/tcp (proc(5)). */
export function listeningInodes(table: string, port: number): string[] {
  const listening = '0A'
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hexPort}`) && state === listening)
    .flatMap(([, , , , , , , , , inode]) => inode ?? [])
}

async function hasSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const directory = join('/proc', pid, 'fd')
  const descriptors = await readdir(directory).catch(() => [])
  for (const descriptor of descriptors) {
    const target = await readlink(join(directory, descriptor)).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined && inodes.has(inode)) return true
  }
  return false
}
