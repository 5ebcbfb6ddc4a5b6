import { readdir, readlink, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Finding } from './finding.ts'

/**
 * Whether a tor of this machine still runs the program that an upgrade has replaced, as far as /proc shows it: root sees all
 * of them, another user its own.
 */
export async function torProgramFinding(proc = '/proc'): Promise<Finding> {
  const check = 'tor program'
  const names = await readdir(proc).catch((): string[] => [])
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((pid) => torOf(proc, pid)))
  const tors = found.filter((tor) => tor !== undefined)
  const old = tors.filter(({ isReplaced }) => isReplaced)
  const [first] = old
  if (first) {
    const pids = old.map(({ pid }) => pid).join(', ')
    const remedy = first.unit
      ? `Restart it: \`systemctl restart ${first.unit}\``
      : `Restart what has started it; \`ps -o ppid,args ${first.pid}\` shows that.`
    return {
      check,
      level: 'warn',
      text: `tor was upgraded or removed, but the old program still runs (process ${pids}).`,
      remedy,
    }
  }
  const count =
    tors.length === 0
      ? 'No tor of this user runs.'
      : `No tor that runs is older than the installed one (${tors.length} seen).`
  return { check, level: 'ok', text: count }
}

interface RunningTor {
  readonly pid: string
  readonly isReplaced: boolean
  readonly unit: string | undefined
}

async function torOf(proc: string, pid: string): Promise<RunningTor | undefined> {
  const program = await readlink(`${proc}/${pid}/exe`).catch(() => '')
  const path = program.replace(/ \(deleted\)$/, '')
  // dpkg renames the old one before it is gone.
  if (basename(path).replace(/\.dpkg-\w+$/, '') !== 'tor') return undefined
  const groups = await readFile(`${proc}/${pid}/cgroup`, 'utf8').catch(() => '')
  const unit = /\/([^/\n]+\.service)$/m.exec(groups)?.[1]
  return { pid, isReplaced: path !== program, unit }
}
