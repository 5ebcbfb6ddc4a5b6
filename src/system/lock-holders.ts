import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'

/**
 * The processes that hold a record lock on a file, as far as the kernel shows them: those in containers of their own
 * are not seen, and nothing is where there is no /proc.
 */
export function lockHolders(path: string): number[] {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    const file = realpathSync(path)
    const holders = new Set<number>()
    for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
      const [, pidText = '', device = '', inode] =
        /POSIX +\S+ +\S+ +(\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) /.exec(line) ?? []
      if (inode !== String(ino)) continue
      const pid = Number(pidText)
      // Some file systems show programs another device number than the kernel has.
      if (device === deviceText(dev) || hasOpen(pid, file)) holders.add(pid)
    }
    return [...holders]
  } catch {
    return []
  }
}

/** major ":" minor as /proc/locks has them, two or more hexadecimal digits each. */
function deviceText(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':')
}

function hasOpen(pid: number, file: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === file)
  } catch {
    return false
  }
}
