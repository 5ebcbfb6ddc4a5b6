import { lstat, readlink, realpath, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Where an installed program lies: one directory per version, side by side, and the links `current` and `previous` beside
 * them. A running relay loads parts of its program later, so that a version stays where it was while another becomes
 * current.
 */
export interface ProgramHome {
  readonly directory: string
  /** The name of the directory of the version that the command starts. */
  readonly current: string
  /** The version that was current before, where it is still there. */
  readonly previous: string | undefined
}

/** The home of this program; undefined for a checkout or a package of npm, which has none. */
export async function programHome(program = ownProgram()): Promise<ProgramHome | undefined> {
  const directory = dirname(await realpath(program))
  const current = await versionAt(directory, 'current')
  if (current === undefined) return undefined
  const previous = await versionAt(directory, 'previous')
  return { directory, current, previous: previous === current ? undefined : previous }
}

/** Makes a version in the home current, and what was current the previous one. Each link changes at once or not at all. */
export async function switchTo(home: ProgramHome, version: string): Promise<void> {
  if (version === home.current) return
  await putLink(home.directory, 'previous', home.current)
  await putLink(home.directory, 'current', version)
}

function ownProgram(): string {
  return fileURLToPath(new URL('../..', import.meta.url))
}

async function versionAt(directory: string, name: string): Promise<string | undefined> {
  try {
    const version = await readlink(join(directory, name))
    const isInside = basename(version) === version && (await lstat(join(directory, version))).isDirectory()
    return isInside ? version : undefined
  } catch {
    return undefined
  }
}

async function putLink(directory: string, name: string, target: string): Promise<void> {
  const fresh = join(directory, `${name}.new`)
  await rm(fresh, { force: true })
  await symlink(target, fresh)
  await rename(fresh, join(directory, name))
}
