import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { type Adoption, giveBack } from './adopt.ts'
import { writeDurably } from '../../system/durable-file.ts'
import type { Change } from './journal.ts'
import { instanceDefaults, verifyTorrcText } from '../process/system-instance.ts'
import { managedMark, torrcRefused } from '../process/torrc.ts'
import { usualTorrcs } from '../process/torrc-services.ts'
import type { UndoTools } from './undo-tools.ts'

/*
 * The moment at which an adopted service leaves the tor that had it: its lines in the torrc become comments, and that
 * tor is restarted.
 */

/**
 * @param record is told of each change before it is made
 * @returns the paths of the changed files, and whether the tor that had the service was restarted
 * @throws AppError `TORRC_REFUSED`, `TORRC_CHANGED`, and as of `ServiceManager.restart`
 */
export async function takeServiceOut(
  adoption: Adoption,
  { run, services }: Pick<UndoTools, 'run' | 'services'>,
  record: (change: Change) => Promise<void>,
): Promise<{ changed: string[]; restarted: boolean }> {
  const { service, files, candidate } = adoption
  const { torrc } = service
  const changed = files.filter(({ before, after }) => before !== after)
  if (changed.length === 0) return { changed: [], restarted: false }
  const name = instanceOf(torrc)
  const reason = await verifyTorrcText(candidate, name === undefined ? '' : await instanceDefaults(name), run)
  if (reason !== undefined) {
    throw torrcRefused(`${torrc} without the service`, reason, `Correct ${torrc} by hand first.`)
  }
  for (const { path, before, after } of changed) {
    if ((await readFile(path, 'utf8')) !== before) {
      throw new AppError('TORRC_CHANGED', `${path} was changed meanwhile.`, 'Run the command again.')
    }
    await record({ type: 'adopted', torrc, file: path })
    await writeDurably(path, after, { mode: 0o644, ifExists: 'replace' })
  }
  const restarted = name !== undefined && (await services.isActive(`tor@${name}`))
  if (restarted) await services.restart(`tor@${name}`)
  return { changed: changed.map(({ path }) => path), restarted }
}

/**
 * Gives a service back to its tor. Only files of tor's configuration are touched, and in them only lines that were
 * made comments.
 *
 * @throws AppError as of `ServiceManager.restart`
 */
export async function giveServiceBack(
  { torrc, file }: { torrc: string; file: string },
  { services, places }: Pick<UndoTools, 'services' | 'places'>,
): Promise<readonly string[]> {
  const known = places.torrcs ?? (await usualTorrcs())
  if (!known.includes(torrc) || (file !== torrc && !file.startsWith('/etc/tor/')) || !existsSync(file)) return []
  const present = await readFile(file, 'utf8')
  const text = giveBack(present)
  if (text === present) return []
  await writeDurably(file, text, { mode: 0o644, ifExists: 'replace' })
  const name = instanceOf(torrc)
  if (name !== undefined && (await services.isActive(`tor@${name}`))) await services.restart(`tor@${name}`)
  return []
}

/**
 * Takes a file with a service, and the lines that include it, out again.
 *
 * @throws the system's error
 */
export async function undoIncluded(
  { torrc, file, before }: { torrc: string | null; file: string; before: string | null },
  { places }: Pick<UndoTools, 'places'>,
): Promise<readonly string[]> {
  const known = places.torrcs ?? (await usualTorrcs())
  const isKnown = torrc === null ? known.includes(file) : known.includes(torrc) && isBeside(torrc, file)
  if (!isKnown) return [`${file} is not a file of a tor of this machine, and stays.`]
  const others = (await readdir(dirname(file)).catch(() => [])).filter((name) => join(dirname(file), name) !== file)
  // The operator may have begun to use the directory.
  if (torrc !== null && existsSync(torrc) && before === null && others.length === 0) {
    const present = await readFile(torrc, 'utf8')
    const text = present.replace(includeLines(file), '')
    if (text !== present) await writeDurably(torrc, text, { mode: 0o644, ifExists: 'replace' })
  }
  if (!existsSync(file)) return []
  if (!(await readFile(file, 'utf8')).includes(managedMark)) {
    return [`${file} holds settings that smp-server did not write, and stays.`]
  }
  if (before === null) await rm(file)
  else await writeDurably(file, before, { mode: 0o644, ifExists: 'replace' })
  return []
}

/** The lines that lead from the main torrc to a file of ours. */
export function includeLines(file: string): string {
  return `# The onion service of smp-server is in this directory.\n%include ${dirname(file)}/*.conf\n`
}

function isBeside(torrc: string, file: string): boolean {
  return dirname(dirname(file)) === dirname(torrc)
}

/** The instance that is run with this torrc, `default` or a name. */
export function instanceOf(torrc: string): string | undefined {
  if (torrc === '/etc/tor/torrc') return 'default'
  return /^\/etc\/tor\/instances\/([A-Za-z0-9]+)\/torrc$/.exec(torrc)?.[1]
}
