import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import * as v from 'valibot'
import { AppError } from '../errors/app-error.ts'
import type { CommandRunner } from '../system/command.ts'
import type { ProgramHome } from './program-home.ts'

const packageSchema = v.object({ name: v.literal('smp-onion'), version: v.string(), cpu: v.array(v.string()) })
const CHECKSUMS = 'SHA256SUMS'
/** Bytes: with less, writing a file has failed for want of space. */
const SPACE_LEFT = 1_000_000

/**
 * Unpacks a downloaded `smp-onion-VERSION-linux-ARCH.tar.gz` beside the versions of a home, and proves that it runs. It
 * becomes a directory of the home only as a whole; nothing is left of one that does not.
 *
 * @returns the version
 * @throws AppError when it is damaged, or not for this machine
 */
export async function unpackProgram(file: string, home: ProgramHome, run: CommandRunner): Promise<string> {
  await checkSum(file)
  const place = await mkdtemp(join(home.directory, '.new-'))
  try {
    const { status, stderr } = await run('tar', ['-xzf', file, '--no-same-owner', '-C', place])
    if (status !== 0) {
      await requireSpace(home.directory)
      throw damaged(file, stderr.trim().split('\n')[0] ?? '')
    }
    const version = await checkedVersion(file, join(place, 'smp-onion'), run)
    if (version === home.current) {
      throw new AppError('UPDATE_SAME', `${file} is version ${version}, which is what runs already.`)
    }
    await rm(join(home.directory, version), { recursive: true, force: true })
    await rename(join(place, 'smp-onion', version), join(home.directory, version))
    return version
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

/** @throws AppError when the disk has filled up, so that nothing can be said about the file */
async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= SPACE_LEFT) return
  const message = `The disk with ${directory} is full. Nothing was changed.`
  throw new AppError('UPDATE_SPACE', message, 'Free 200 MB there, and run the command again.')
}

async function checkedVersion(file: string, unpacked: string, run: CommandRunner): Promise<string> {
  const entries = await readdir(unpacked, { withFileTypes: true }).catch(() => [])
  const [directory, ...others] = entries.filter((entry) => entry.isDirectory())
  if (!directory || others.length > 0) throw damaged(file, 'it holds no version of smp-onion')
  const program = join(unpacked, directory.name)
  const facts = v.safeParse(packageSchema, JSON.parse(await readFile(join(program, 'package.json'), 'utf8')))
  if (!facts.success || facts.output.version !== directory.name) throw damaged(file, 'it holds no version of smp-onion')
  if (!facts.output.cpu.includes(process.arch)) {
    const message = `${file} is for ${facts.output.cpu.join(', ')}; this machine is ${process.arch}.`
    throw new AppError('UPDATE_ARCHITECTURE', message, 'Download the file for this machine.')
  }
  const trial = await run(join(program, 'bin/smp-server'), ['--version'])
  if (trial.status !== 0) throw damaged(file, `its program does not start: ${trial.stderr.trim().split('\n')[0] ?? ''}`)
  return directory.name
}

/** Compares it with SHA256SUMS where that was downloaded, too. */
async function checkSum(file: string): Promise<void> {
  const sums = await readFile(join(dirname(file), CHECKSUMS), 'utf8').catch(() => undefined)
  const line = sums?.split('\n').find((entry) => entry.endsWith(`  ${basename(file)}`))
  if (line === undefined) return
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  if (hash.digest('hex') === line.split(' ', 1)[0]) return
  throw damaged(file, `its checksum is not the one in ${CHECKSUMS}`)
}

function damaged(file: string, why: string): AppError {
  const message = `${file} cannot be used: ${why.replace(/\.$/, '')}. Nothing was changed.`
  return new AppError('UPDATE_FILE', message, 'Download it again, together with SHA256SUMS.')
}
