import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError } from '../../../errors/app-error.ts'
import type { ErrorCode } from '../../../errors/codes.ts'
import { type CommandRunner, lastLine } from '../../../system/command.ts'
import { writeDurably } from '../../../system/durable-file.ts'
import type { Step } from '../step.ts'

/*
 * Installing tor on Debian and Ubuntu: the distribution's package, or that of the Tor Project's own repository.
 */

const origin = 'https://deb.torproject.org/torproject.org'
const fingerprint = 'A3C4F0F979CAA22CDBA8F512EE8CBC9E886DDD89'
const sourcesPath = '/etc/apt/sources.list.d/tor.list'
const keyringPath = '/usr/share/keyrings/tor-archive-keyring.gpg'

export interface Installation {
  /** The Tor Project's repository for this release; the distribution's package when absent. */
  readonly official?: { readonly codename: string } | undefined
}

/** The lines of the sources file, as the Tor Project's own instructions have them. */
export function repositoryLines(codename: string): string {
  if (!/^[a-z]+$/.test(codename)) throw new TypeError('a codename is one word')
  const place = `[signed-by=${keyringPath}] ${origin} ${codename} main`
  return `deb ${place}\ndeb-src ${place}\n`
}

/**
 * Installs tor. A package that was installed stays, also when a later step fails.
 *
 * @param present the sources file as it is now
 */
export function installStep(installation: Installation, present: string | undefined, run: CommandRunner): Step {
  const { official } = installation
  const install = (...packages: string[]): string => `apt-get install -y ${packages.join(' ')}`
  return {
    describe: official ? "Install tor from the Tor Project's package repository" : "Install the distribution's tor",
    changes: official
      ? {
          files: [{ path: sourcesPath, before: present, after: repositoryLines(official.codename) }],
          commands: [
            `curl --proto '=https' --tlsv1.2 -sSf ${origin}/${fingerprint}.asc | gpg --dearmor > ${keyringPath}`,
            `gpg --show-keys ${keyringPath}   # must be ${fingerprint}`,
            'apt-get update',
            install('tor', 'deb.torproject.org-keyring'),
          ],
        }
      : { commands: ['apt-get update', install('tor')] },
    isDone: false,
    entries: [],
    apply: () => installTor(installation, run),
    revert: () => Promise.resolve([]),
  }
}

/** @param root of the file system, other than `/` for tests only */
export function sourcesFile(root = '/'): string {
  return join(root, sourcesPath)
}

/**
 * Installs tor. When the repository cannot be used its files are removed again; a package that was installed stays.
 *
 * @throws AppError `TOR_KEY`, `APT`
 */
export async function installTor({ official }: Installation, run: CommandRunner, root = '/'): Promise<void> {
  const apt = async (...args: string[]): Promise<void> => {
    await succeed(run, 'env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args], 'APT', 'apt-get')
  }
  if (!official) {
    await apt('update')
    await apt('install', '-y', 'tor')
    return
  }
  const [sources, keyring] = [sourcesFile(root), join(root, keyringPath)]
  try {
    await fetchKey(keyring, run)
    await mkdir(dirname(sources), { recursive: true })
    await writeDurably(sources, repositoryLines(official.codename), { mode: 0o644, ifExists: 'replace' })
    await apt('update')
  } catch (error) {
    await rm(sources, { force: true })
    await rm(keyring, { force: true })
    throw error
  }
  await apt('install', '-y', 'tor', 'deb.torproject.org-keyring')
}

/** The key is only put in place when it has the known fingerprint. */
async function fetchKey(keyring: string, run: CommandRunner): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-tor-key-'))
  try {
    const [armored, binary] = [join(directory, 'key.asc'), join(directory, 'key.gpg')]
    const url = `${origin}/${fingerprint}.asc`
    await succeed(run, 'curl', ['--proto', '=https', '--tlsv1.2', '-sSf', '-o', armored, url], 'TOR_KEY', 'curl')
    await succeed(run, 'gpg', ['--batch', '--yes', '--dearmor', '-o', binary, armored], 'TOR_KEY', 'gpg')
    const shown = await succeed(run, 'gpg', ['--batch', '--show-keys', '--with-colons', binary], 'TOR_KEY', 'gpg')
    if (!primaryFingerprints(shown).every((found) => found === fingerprint)) {
      const message = `The key at ${url} is not that of the Tor Project (${fingerprint}).`
      throw new AppError('TOR_KEY', message, "Leave out --official-repo to install the distribution's tor.")
    }
    await mkdir(dirname(keyring), { recursive: true })
    await succeed(run, 'install', ['-m', '644', binary, keyring], 'TOR_KEY', 'install')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Of the `fpr` line behind each `pub` line; `['']` when there is none. */
export function primaryFingerprints(colons: string): string[] {
  const rows = colons.split('\n').map((row) => row.split(':'))
  const found = rows.flatMap(([type], index) => (type === 'pub' ? [rows[index + 1]?.[9] ?? ''] : []))
  return found.length === 0 ? [''] : found
}

async function succeed(
  run: CommandRunner,
  program: string,
  args: readonly string[],
  code: ErrorCode,
  name: string,
): Promise<string> {
  const result = await run(program, args).catch((error: unknown) => {
    throw new AppError(code, `${name} cannot be run.`, `Install it: apt install ${name}`, { cause: error })
  })
  if (result.status === 0) return result.stdout
  const message = `${name} failed: ${lastLine(result.stderr)}.`
  throw new AppError(code, message, 'Install tor manually, and run the command again.')
}
