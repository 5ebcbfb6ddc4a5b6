import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { projectRoot } from '../project-root.ts'
import { succeed } from './debian/command.ts'

/* What scripts/package makes, and earlier or later versions of it, which differ in nothing but the version. */

export const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as { version: string }
export const packageVersion = version
export const debianVersion = version.replace('-', '~')

/** Runs scripts/package, with little compression. */
export async function buildPackages(output: string, ...args: readonly string[]): Promise<void> {
  const program = join(projectRoot, 'scripts/package')
  await succeed('env', ['PACKAGE_QUICK=1', program, '--output', output, ...args])
}

/**
 * The packages of both architectures, which the test files share; built anew when something that goes into them is newer.
 *
 * @returns their directory; nothing else may be put there
 */
export async function builtPackages(): Promise<string> {
  const output = join(projectRoot, 'node_modules/.cache/packages')
  await mkdir(output, { recursive: true })
  const sources = 'src scripts packaging systemd torrc.d docs package.json package-lock.json README.md CHANGELOG.md'
  // What the files say of the commit and its time is the same for all that one run compares.
  const script = `cd "$1"
    commit=$(git rev-parse HEAD 2>/dev/null || echo none)
    if [ "$(cat "$0.commit" 2>/dev/null)" != "$commit" ] || [ ! -e "$0/SHA256SUMS" ] ||
      [ -n "$(find ${sources} -type f -newer "$0/SHA256SUMS" -print -quit)" ]; then
      PACKAGE_QUICK=1 scripts/package --output "$0"
      echo "$commit" >"$0.commit"
    fi`
  await succeed('flock', [`${output}.lock`, 'sh', '-euc', script, output, projectRoot])
  return output
}

/** The Debian package as another version. @returns its file */
export async function debOfVersion(deb: string, other: string, directory: string): Promise<string> {
  const root = join(directory, `deb-${other}`)
  await succeed('dpkg-deb', ['-R', deb, root])
  await otherVersion(join(root, 'usr/lib/smp-onion'), other)
  for (const name of ['postinst', 'prerm', 'postrm', 'control']) {
    const file = join(root, 'DEBIAN', name)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replaceAll(packageVersion, other).replaceAll(debianVersion, other))
  }
  const file = join(directory, `smp-onion_${other}_${architecture}.deb`)
  await succeed('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, file])
  await rm(root, { recursive: true })
  return file
}

/** The tar file as another version. @returns its file */
export async function tarOfVersion(
  tar: string,
  other: string,
  directory: string,
  change: (program: string) => Promise<void> = () => Promise.resolve(),
): Promise<string> {
  const root = join(directory, `tar-${other}`)
  await mkdir(root)
  await succeed('tar', ['-xzf', tar, '-C', root])
  await otherVersion(join(root, 'smp-onion'), other)
  await change(join(root, 'smp-onion', other))
  await succeed('ln', ['-sfn', other, join(root, 'smp-onion/current')])
  const file = join(directory, `smp-onion-${other}-linux-${architecture}.tar.gz`)
  await succeed('sh', ['-c', 'tar -C "$0" -cf - smp-onion | gzip -1 >"$1"', root, file])
  await rm(root, { recursive: true })
  return file
}

async function otherVersion(home: string, other: string): Promise<void> {
  await rename(join(home, packageVersion), join(home, other))
  const file = join(home, other, 'package.json')
  await writeFile(
    file,
    (await readFile(file, 'utf8')).replace(`"version": "${packageVersion}"`, `"version": "${other}"`),
  )
}

/** Copies the first half of a file. */
export async function halfOf(file: string, to: string): Promise<void> {
  await cp(file, to)
  const half = Math.floor((await readFile(file)).length / 2)
  await succeed('truncate', ['-s', String(half), to])
}
