import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '../../../errors/app-error.ts'
import { writeDurably } from '../../../system/durable-file.ts'
import { errorCode } from '../../../system/error-code.ts'
import { removeAbandoned } from '../../../system/temporary-file.ts'
import { isPristine } from '../../process/system-instance.ts'
import { torPlace, type TorPlace } from '../../process/tor-place.ts'
import { managedMark, torrcRefused } from '../../process/torrc.ts'
import type { TorrcExtra } from '../../process/torrc-extra.ts'
import { withIncluded } from '../../process/torrc-lines.ts'
import { unitDefaults, verifyTorrcText } from '../../process/verify.ts'
import type { FileChange, RevertTools, Step } from '../step.ts'

export interface TorrcStepOptions {
  readonly place: TorPlace
  /** The whole text of the file that smp-server writes, with the lines of `extra`. */
  readonly wanted: string
  readonly extra: TorrcExtra | undefined
}

/** Writes the torrc of a tor of the system, once tor has checked it just as its unit will run it. */
export async function torrcStep({ place, wanted, extra }: TorrcStepOptions, tools: RevertTools): Promise<Step> {
  const { torrc, mainTorrc, instance: name } = place
  const before = await readIfThere(torrc)
  requireOurs(torrc, before)
  const files: FileChange[] = [{ path: torrc, before, after: wanted }]
  if (mainTorrc !== undefined) {
    const main = await readIfThere(mainTorrc)
    files.push({ path: mainTorrc, before: main, after: withInclude(main ?? '', torrc) })
  }
  const changed = files.filter((file) => file.before !== file.after)
  return {
    describe: `Write the configuration of ${place.unit}`,
    changes: { files },
    isDone: changed.length === 0,
    entries: [{ type: 'torrc', name, before: before ?? null }],
    apply: async () => {
      await verify(place, wanted, extra, tools)
      for (const file of changed) await write(file)
    },
    revert: () => revertTorrc(name, before ?? null, tools),
  }
}

async function verify(
  place: TorPlace,
  wanted: string,
  extra: TorrcExtra | undefined,
  tools: RevertTools,
): Promise<void> {
  const { torrc, mainTorrc, instance } = place
  const main = mainTorrc === undefined ? undefined : ((await readIfThere(mainTorrc)) ?? '')
  const candidate = main === undefined ? wanted : await withIncluded(main, resolve(torrc), wanted)
  const reason = await verifyTorrcText(candidate, await unitDefaults(place), tools.run)
  if (reason === undefined) return
  if (mainTorrc === undefined && extra) {
    throw torrcRefused(extra.path, reason, 'Fix that line, or remove torrc_extra under [TOR].')
  }
  throw torrcRefused(`the torrc of ${instance}`, reason, remedyFor(reason, place))
}

function remedyFor(reason: string, { serviceDirectory: directory, dataDirectory }: TorPlace): string {
  if (/not owned by|too permissive|cannot be read/.test(reason)) {
    return `Give it back to tor: chown -R --reference ${dataDirectory} ${directory} && chmod 700 ${directory}`
  }
  if (/SocksPort|Socks\/Trans/i.test(reason)) {
    return 'A tor with a SOCKS port cannot run in single-hop mode: use an instance of its own with --instance smp.'
  }
  return 'Fix that line, or use an instance of its own with --instance smp.'
}

/** tor reads its torrc as its own user when it reloads, so everybody may. */
async function write({ path, before, after }: FileChange): Promise<void> {
  const present = await readIfThere(path)
  // A step before this one may have created the instance, with a torrc that sets nothing.
  const isNew = before === undefined && present !== undefined && isPristine(present)
  if (present !== before && !isNew) {
    throw new AppError('TORRC_CHANGED', `${path} was changed in the meantime.`, 'Run the command again.')
  }
  await mkdir(dirname(path), { recursive: true })
  await writeDurably(path, after, { mode: 0o644, ifExists: 'replace' })
}

function requireOurs(path: string, present: string | undefined): void {
  if (present === undefined || present.includes(managedMark) || isPristine(present)) return
  const remedy = 'Choose another name with --instance, or move that file away.'
  throw new AppError('TORRC_FOREIGN', `${path} holds settings that smp-server did not write.`, remedy)
}

/** The main torrc with the include, behind what is there. */
export function withInclude(text: string, file: string): string {
  const lines = includeLines(file)
  return text.includes(lines) ? text : `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lines}`
}

/** The lines that lead from the main torrc to a file of ours. */
function includeLines(file: string): string {
  return `# The onion service of smp-server is in this directory.\n%include ${dirname(file)}/*.conf\n`
}

/** A unit that runs is restarted, so that it runs with what it had before. */
export async function revertTorrc(
  name: string,
  before: string | null,
  { places, services }: Pick<RevertTools, 'places' | 'services'>,
): Promise<readonly string[]> {
  const { torrc, mainTorrc, unit } = (places.torPlace ?? torPlace)(name)
  for (const file of [torrc, mainTorrc]) if (file !== undefined) await removeAbandoned(dirname(file))
  const present = await readIfThere(torrc)
  if (present !== undefined && present !== before && !present.includes(managedMark)) {
    return [`${torrc} holds settings that smp-server did not write, and stays.`]
  }
  const isExcluded = mainTorrc !== undefined && before === null && (await exclude(mainTorrc, torrc))
  const isReverted = (present ?? null) !== before
  if (before === null) await rm(torrc, { force: true })
  else if (isReverted) await writeDurably(torrc, before, { mode: 0o644, ifExists: 'replace' })
  if ((isReverted || isExcluded) && (await services.isActive(unit))) await services.restart(unit)
  return []
}

/** Removes the include, unless the operator has begun to use its directory. */
async function exclude(mainTorrc: string, file: string): Promise<boolean> {
  const others = (await readdir(dirname(file)).catch(() => [])).filter((name) => join(dirname(file), name) !== file)
  if (others.length > 0 || !existsSync(mainTorrc)) return false
  const present = await readFile(mainTorrc, 'utf8')
  const text = present.replace(includeLines(file), '')
  if (text === present) return false
  await writeDurably(mainTorrc, text, { mode: 0o644, ifExists: 'replace' })
  return true
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
