import { lstat, readdir, rm, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Paths } from '../../config/paths.ts'
import { bytesText } from '../../system/bytes-text.ts'
import { openBelow } from '../../system/open-below.ts'
import type { Finding, Repair } from './finding.ts'

interface Entry {
  /** One of the two directories of the relay. */
  readonly directory: string
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly isFile: boolean
}

/** More than a relay has; the data of its tors is in one directory with few files. */
const MAX_ENTRIES = 10_000
/** At most so many paths in one sentence. */
const SHOWN = 5

/** Owners and permissions of everything in the two directories, and what nobody needs any more. */
export async function fileFindings(paths: Paths): Promise<Finding[]> {
  const { configDir, stateDir } = paths
  const directories = [...new Set([configDir, stateDir])]
  const missing = []
  for (const directory of directories) if (!(await stat(directory).catch(() => undefined))) missing.push(directory)
  if (missing.length > 0) {
    return [
      {
        check: 'files',
        level: 'fail',
        text: `${missing.join(' and ')} cannot be found.`,
        remedy: 'Run `smp-server init`.',
      },
    ]
  }
  const entries: Entry[] = []
  for (const directory of directories) await collect(directory, directory, entries)
  const owners = []
  for (const directory of directories) owners.push(...(await ownerFindings(directory, entries)))
  const leftovers = directories.map(async (directory) =>
    leftoverFindings(directory, entries, (await stat(directory)).uid),
  )
  return [...owners, modeFinding(entries, paths), ...(await Promise.all(leftovers)).flat()]
}

/** Links are not followed, and what this user may not read is left to the other checks. */
async function collect(top: string, directory: string, entries: Entry[]): Promise<void> {
  for (const name of await readdir(directory).catch((): string[] => [])) {
    if (entries.length >= MAX_ENTRIES) return
    const path = join(directory, name)
    const found = await lstat(path).catch(() => undefined)
    if (!found || !(found.isFile() || found.isDirectory())) continue
    const { size, mode, uid, gid } = found
    entries.push({ directory: top, path, size, mode: mode & 0o7777, uid, gid, isFile: found.isFile() })
    if (found.isDirectory()) await collect(top, path, entries)
  }
}

/** What a run as root leaves in a directory of the relay's user. */
async function ownerFindings(directory: string, entries: readonly Entry[]): Promise<Finding[]> {
  const check = 'owners'
  const owner = await stat(directory)
  const foreign = entries.filter((entry) => entry.directory === directory && entry.uid !== owner.uid)
  const [first] = foreign
  if (!first) return [{ check, level: 'ok', text: `Everything in ${directory} belongs to user ${owner.uid}.` }]
  const whose = `not to user ${owner.uid}, who owns ${directory}, but to user ${first.uid}`
  const text = `${list(foreign)} ${foreign.length > 1 ? 'belong' : 'belongs'} ${whose}: a command was run as that user.`
  const remedy = `Run as root: \`chown -R ${owner.uid}:${owner.gid} ${directory}\``
  if (process.geteuid?.() !== 0) return [{ check, level: 'fail', text, remedy }]
  const what = `give ${list(foreign)} to user ${owner.uid}`
  const repair = changing(foreign, what, (file) => file.chown(owner.uid, owner.gid))
  return [{ check, level: 'fail', text, remedy, repair }]
}

function modeFinding(entries: readonly Entry[], { store, ini }: Paths): Finding {
  const check = 'permissions'
  const isSecret = ({ path, isFile }: Entry): boolean =>
    isFile && (/\.key(\.|$)|_secret_key$/.test(path) || path === ini || path.startsWith(`${store}/`))
  const open = entries.filter((entry) => isSecret(entry) && (entry.mode & 0o077) !== 0)
  if (open.length === 0) return { check, level: 'ok', text: 'Only the owner can read keys, settings and messages.' }
  const isKey = open.some(({ path }) => path !== ini)
  const modes = open.map(({ mode }) => `0${mode.toString(8)}`)
  return {
    check,
    level: isKey ? 'fail' : 'warn',
    text: `Other users may be able to read ${list(open)} (${[...new Set(modes)].join(', ')}).`,
    remedy: `Run: \`chmod go= ${open.map(({ path }) => path).join(' ')}\``,
    repair: changing(open, `take ${list(open)} away from other users`, async (file) => {
      await file.chmod((await file.stat()).mode & 0o7700)
    }),
  }
}

type File = Awaited<ReturnType<typeof openBelow>>

/** Through what was opened, never by path: the directories may belong to another user. */
function changing(entries: readonly Entry[], what: string, change: (file: File) => Promise<void>): Repair {
  return {
    isSafe: true,
    what,
    apply: async () => {
      for (const { directory, path } of entries) {
        const file = await openBelow(directory, relative(directory, path).split('/'))
        try {
          const found = await file.stat()
          // A second name may be that of a file elsewhere.
          if (found.isDirectory() || (found.isFile() && found.nlink === 1)) await change(file)
        } finally {
          await file.close()
        }
      }
    },
  }
}

/** Beside the files of the relay: what updates, imports, repairs and interrupted commands leave. Never keys. */
const LEFTOVERS = [
  /\.bak\d*$/,
  /^restore-unfinished-(?:config|state)$/,
  // Also of versions that did not name the process.
  /\.[0-9a-f]{12}\.new$/,
  /^smp-server-store\.repaired$/,
  // A database export that was interrupted, and what an operator was told to move away.
  /^(?:smp-server-[\w-]+(?:\.log)?|messages)\.(?:unfinished|unused)$/,
  /^smp-server-store\.damaged\./,
  /^(?:smp-server-[\w-]+(?:\.log)?|messages)\.\d{4}-\d\d-\d\dT/,
]

function leftoverFindings(top: string, entries: readonly Entry[], owner: number): Finding[] {
  const check = 'leftovers'
  const found = entries.filter(({ directory, path }) => {
    const name = relative(directory, path)
    return (
      directory === top &&
      !name.includes('/') &&
      !/\.key(\.|$)/.test(name) &&
      LEFTOVERS.some((pattern) => pattern.test(name))
    )
  })
  if (found.length === 0) return [{ check, level: 'ok', text: `Nothing is left of updates and imports in ${top}.` }]
  const isMine = process.geteuid?.() === owner
  return found.map(({ path }): Finding => {
    const inside = entries.filter((entry) => entry.path === path || entry.path.startsWith(`${path}/`))
    const size = inside.reduce((sum, entry) => sum + (entry.isFile ? entry.size : 0), 0)
    const text = `${path} (${bytesText(size)}) is left of an update, import or repair.`
    const command = `rm -r ${path}`
    // Root does not delete by path in the directory of another user.
    if (!isMine)
      return { check, level: 'warn', text, remedy: `If you do not need it: \`sudo -u '#${owner}' ${command}\`` }
    const repair = { isSafe: false, what: `delete ${path}`, apply: () => rm(path, { recursive: true }) }
    return { check, level: 'warn', text, remedy: `If you do not need it: \`${command}\``, repair }
  })
}

function list(entries: readonly Entry[]): string {
  const more = entries.length - SHOWN
  const shown = entries.slice(0, SHOWN).map(({ path }) => path)
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
