import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { CommandRunner } from '../../system/command.ts'
import type { ControlEndpoint } from '../control/endpoint.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import type { TorrcExtra } from './torrc.ts'
import { managedMark, torMissing, torrcRefused, verifyTorrc } from './torrc.ts'

/*
 * A tor instance of the system (Debian's tor-instance-create and tor@NAME.service), beside tor@default, whose SOCKS
 * port stays as it is: a single-hop tor can have none.
 */

export interface InstancePaths {
  readonly unit: string
  readonly user: string
  readonly torrc: string
  readonly control: ControlEndpoint
}

/** Where Debian keeps the defaults of all instances; `@@NAME@@` stands for the name. */
const defaultsFile = '/usr/share/tor/tor-service-defaults-torrc-instances'

/**
 * @throws AppError `TOR_INSTANCE_NAME` for names that tor-instance-create does not take
 */
export function instancePaths(name: string): InstancePaths {
  if (!/^[A-Za-z0-9]{1,24}$/.test(name) || name === 'default') {
    const remedy = 'Take up to 24 letters and digits; default is the machine’s own tor.'
    throw new AppError('TOR_INSTANCE_NAME', `A tor instance cannot be named ${JSON.stringify(name)}.`, remedy)
  }
  return {
    unit: `tor@${name}`,
    user: `_tor-${name}`,
    torrc: `/etc/tor/instances/${name}/torrc`,
    control: { type: 'unix', path: `/run/tor-instances/${name}/control` },
  }
}

const instanceParents = ['/etc/tor/instances', '/var/lib/tor-instances'] as const

/** The directories above an instance's own that tor-instance-create is going to make. */
export function missingParents(): (typeof instanceParents)[number][] {
  return instanceParents.filter((path) => !existsSync(path))
}

/** Whether there is anything of this instance: its user, its torrc or its data. */
export async function instanceExists(name: string, run: CommandRunner): Promise<boolean> {
  const { torrc, user } = instancePaths(name)
  if (existsSync(dirname(torrc)) || existsSync(`/var/lib/tor-instances/${name}`)) return true
  return (await run('id', ['-u', user])).status === 0
}

/**
 * Makes the instance's user, directory and torrc; harmless when they are there.
 *
 * @throws AppError `TOR_MISSING`, `TOR_INSTANCE_CREATE`
 */
export async function createInstance(name: string, run: CommandRunner): Promise<void> {
  const program = '/usr/sbin/tor-instance-create'
  let result
  try {
    result = await run(program, [name])
  } catch (error) {
    throw torMissing(program, error)
  }
  if (result.status === 0) return
  const why = result.stderr
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/[. ]+$/, '')
  throw new AppError('TOR_INSTANCE_CREATE', `tor-instance-create ${name} failed: ${why ?? 'it gave no reason'}.`)
}

export interface InstanceTorrc {
  readonly torrc: string
  readonly changed: boolean
}

/**
 * Lets tor check the instance's torrc just as the unit will run it, and only then puts it in place.
 *
 * @param wanted the whole text, with the lines of `extra`
 * @param beforeWrite is told what was there, before anything is written
 * @throws AppError `TORRC_FOREIGN`, `TORRC_REFUSED`, `TOR_MISSING`
 */
export async function writeInstanceTorrc(
  name: string,
  wanted: string,
  extra: TorrcExtra | undefined,
  run: CommandRunner,
  beforeWrite: (present: string | undefined) => Promise<void> = () => Promise.resolve(),
): Promise<InstanceTorrc> {
  const { torrc } = instancePaths(name)
  const present = await readIfThere(torrc)
  if (present === wanted) return { torrc, changed: false }
  if (present !== undefined && !present.includes(managedMark) && !isPristine(present)) {
    const remedy = 'Choose another name with --instance, or move that file away.'
    throw new AppError('TORRC_FOREIGN', `${torrc} holds settings that smp-server did not write.`, remedy)
  }
  await verifyAsUnit(name, wanted, extra, run)
  await beforeWrite(present)
  // tor reads it as its own user when it reloads, so everybody may.
  await writeDurably(torrc, wanted, { mode: 0o644, ifExists: 'replace' })
  return { torrc, changed: true }
}

/** As tor-instance-create leaves it: comments, and one SocksPort line. */
export function isPristine(torrc: string): boolean {
  const lines = torrc.split('\n').map((line) => line.trim())
  return lines.every((line) => line === '' || line.startsWith('#') || line === '+SocksPort auto')
}

async function verifyAsUnit(
  name: string,
  text: string,
  extra: TorrcExtra | undefined,
  run: CommandRunner,
): Promise<void> {
  const reason = await verifyTorrcText(text, await instanceDefaults(name), run)
  if (reason === undefined) return
  if (extra) throw torrcRefused(extra.path, reason, 'Correct the file, or take it out of --torrc-extra.')
  throw torrcRefused(`the torrc for ${name}`, reason, 'Install a newer tor: 0.4.6 or later is needed.')
}

/** The defaults that the unit of an instance gives its tor. */
export async function instanceDefaults(name: string): Promise<string> {
  if (name === 'default') return await readFile('/usr/share/tor/tor-service-defaults-torrc', 'utf8')
  return (await readFile(defaultsFile, 'utf8')).replaceAll('@@NAME@@', name)
}

/**
 * Lets tor check a torrc that is nowhere yet.
 *
 * @returns tor's own reason when it refuses
 * @throws AppError `TOR_MISSING`
 */
export async function verifyTorrcText(text: string, defaults: string, run: CommandRunner): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-torrc-'))
  try {
    const args = ['--defaults-torrc', join(directory, 'defaults'), '-f', join(directory, 'torrc'), '--RunAsDaemon', '0']
    await writeFile(join(directory, 'defaults'), defaults, { mode: 0o600 })
    await writeFile(join(directory, 'torrc'), text, { mode: 0o600 })
    return await verifyTorrc({ run, binary: '/usr/bin/tor', args })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/**
 * Who still has to be let into the instance's control socket.
 *
 * @param uid of the relay's user
 * @returns the user's name; `undefined` when the user is in the instance's group, or root, who needs no group
 */
export async function outsider(name: string, uid: number, run: CommandRunner): Promise<string | undefined> {
  if (uid === 0) return undefined
  const groups = (await run('id', ['-nG', String(uid)])).stdout.trim().split(/\s+/)
  if (groups.includes(instancePaths(name).user)) return undefined
  return (await run('id', ['-nu', String(uid)])).stdout.trim()
}

/**
 * Whether a running process may use the instance's control socket: the groups of its user count from its start only.
 *
 * @returns `undefined` when that cannot be learned
 */
export async function processIsMember(name: string, pid: number, run: CommandRunner): Promise<boolean | undefined> {
  const gid = (await run('getent', ['group', instancePaths(name).user])).stdout.split(':')[2]
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  const groups = /^Groups:\t(.*)$/m.exec(status)?.[1]?.trim().split(' ')
  if (gid === undefined || groups === undefined) return undefined
  return groups.includes(gid) || /^Uid:\t0\t/m.test(status)
}

/**
 * Lets the relay's user into the instance's control socket; it counts from the user's next login or service start.
 *
 * @param uid of the relay's user
 * @param beforeJoin is told the user's name, before anything is changed
 * @returns the user's name when that changed anything
 * @throws AppError `TOR_INSTANCE_GROUP`
 */
export async function joinInstanceGroup(
  name: string,
  uid: number,
  run: CommandRunner,
  beforeJoin: (user: string) => Promise<void> = () => Promise.resolve(),
): Promise<string | undefined> {
  const group = instancePaths(name).user
  const user = await outsider(name, uid, run)
  if (user === undefined) return undefined
  await beforeJoin(user)
  const { status, stderr } = await run('/usr/sbin/usermod', ['-a', '-G', group, user])
  if (status === 0) return user
  const why = stderr.trim().replace(/[. ]+$/, '')
  const message = `The user ${user || uid} could not be added to the group ${group}: ${why}.`
  throw new AppError('TOR_INSTANCE_GROUP', message, `Add it by hand: usermod -a -G ${group} ${user || 'USER'}`)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
