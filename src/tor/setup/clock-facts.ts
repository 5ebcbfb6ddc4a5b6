import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CommandRunner } from '../../system/command.ts'
import type { ServiceManager } from '../../system/service-manager.ts'

/*
 * What is known about this machine's clock without asking the network: whether the system synchronizes it, and that it
 * must be later than the files that exist.
 */

/** A moment that has certainly passed, and what dates from it. */
export interface PassedMoment {
  readonly at: Date
  readonly what: string
}

export interface ClockFacts {
  readonly now: Date
  /** As systemd says; `undefined` without systemd. */
  readonly synchronized: boolean | undefined
  readonly latest: PassedMoment | undefined
}

export interface ClockQuestion {
  readonly run: CommandRunner
  readonly services: ServiceManager
  /** Data directories of this relay's tors; their consensus has the time of the directory authorities. */
  readonly torDirectories: readonly string[]
  readonly now: Date
  /** Files of a package, which have the time of its build. */
  readonly packaged?: readonly { readonly path: string; readonly what: string }[]
}

const packagedFiles = [
  { path: fileURLToPath(import.meta.url), what: 'this program' },
  { path: '/usr/bin/tor', what: 'the installed tor' },
] as const

export async function clockFacts(question: ClockQuestion): Promise<ClockFacts> {
  const { now, packaged = packagedFiles, torDirectories } = question
  const moments = await Promise.all([
    ...packaged.map(({ path, what }) => madeAt(path, what)),
    ...torDirectories.map((directory) => consensusAt(join(directory, 'cached-microdesc-consensus'))),
  ])
  const latest = moments
    .filter((moment) => moment !== undefined)
    .reduce<PassedMoment | undefined>((last, one) => (last && last.at >= one.at ? last : one), undefined)
  return { now, synchronized: await isSynchronized(question), latest }
}

async function madeAt(path: string, what: string): Promise<PassedMoment | undefined> {
  const at = (await stat(path).catch(() => undefined))?.mtime
  return at && { at, what }
}

/** The first lines of a consensus have `valid-after 2025-01-31 12:00:00`, in UTC (dir-spec §3.4.1). */
async function consensusAt(path: string): Promise<PassedMoment | undefined> {
  const file = await open(path).catch(() => undefined)
  if (!file) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2048), 0, 2048, 0)
    const head = buffer.toString('latin1', 0, bytesRead)
    const match = /^valid-after (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/m.exec(head)
    const at = new Date(`${match?.[1] ?? ''}T${match?.[2] ?? ''}Z`)
    return Number.isNaN(at.getTime()) ? undefined : { at, what: 'the last Tor consensus on this machine' }
  } finally {
    await file.close()
  }
}

async function isSynchronized({ run, services }: ClockQuestion): Promise<boolean | undefined> {
  if (services.type !== 'systemd') return undefined
  const answer = await run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']).catch(() => undefined)
  const value = answer?.stdout.trim()
  return value === 'yes' ? true : value === 'no' ? false : undefined
}
