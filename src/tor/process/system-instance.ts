import { existsSync } from 'node:fs'
import { readFile, rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { type CommandResult, type CommandRunner, lastLine } from '../../system/command.ts'
import { torMissing } from './torrc.ts'
import type { TorPlace } from './tor-place.ts'

/*
 * A tor instance of the system (Debian's tor-instance-create and tor@NAME.service), beside tor@default, whose SOCKS
 * port stays as it is: a single-hop tor cannot have one.
 */

const INSTANCE_PARENTS = ['/etc/tor/instances', '/var/lib/tor-instances'] as const

/** The directories above an instance's own that tor-instance-create is going to create. */
export function missingParents(): (typeof INSTANCE_PARENTS)[number][] {
  return INSTANCE_PARENTS.filter((path) => !existsSync(path))
}

/** Whether anything of this instance exists: its user, its torrc or its data. */
export async function instanceExists({ torrc, user, dataDirectory }: TorPlace, run: CommandRunner): Promise<boolean> {
  if (existsSync(dirname(torrc)) || existsSync(dataDirectory)) return true
  return (await run('id', ['-u', user])).status === 0
}

/**
 * Creates the instance's user, directory and torrc; harmless when they are there.
 *
 * @throws AppError `TOR_MISSING`, `TOR_INSTANCE_CREATE`
 */
export async function createInstance({ instance }: TorPlace, run: CommandRunner): Promise<void> {
  const program = '/usr/sbin/tor-instance-create'
  let result: CommandResult
  try {
    result = await run(program, [instance])
  } catch (error) {
    throw torMissing(program, error)
  }
  if (result.status === 0) return
  const message = `tor-instance-create ${instance} failed: ${lastLine(result.stderr)}.`
  throw new AppError('TOR_INSTANCE_CREATE', message, 'Fix that, and run the command again.')
}

/**
 * Deletes an instance with its user, torrc and data.
 *
 * @param parents directories above its own that were not there before it
 * @throws AppError `TOR_INSTANCE_REMOVE`
 */
export async function deleteInstance(place: TorPlace, parents: readonly string[], run: CommandRunner): Promise<void> {
  const { instance, user } = place
  const { status, stderr } = await run('/usr/sbin/deluser', ['--system', '--quiet', user])
  // 2: there is no such user any more.
  if (status !== 0 && status !== 2) {
    const message = `The user ${user} could not be removed: ${lastLine(stderr)}.`
    throw new AppError('TOR_INSTANCE_REMOVE', message, `Stop what runs as that user: pgrep -u ${user}`)
  }
  for (const path of ['/etc/tor/instances', '/var/lib/tor-instances', '/run/tor-instances']) {
    await rm(`${path}/${instance}`, { recursive: true, force: true })
  }
  // Other instances may have come since.
  for (const path of parents) await rmdir(path).catch(() => undefined)
  await run('systemctl', ['daemon-reload']).catch(() => undefined)
}

/** As tor-instance-create leaves it: comments, and one SocksPort line. */
export function isPristine(torrc: string): boolean {
  const lines = torrc.split('\n').map((line) => line.trim())
  return lines.every((line) => line === '' || line.startsWith('#') || line === '+SocksPort auto')
}

/**
 * The user who still has to join the instance's group to use its control socket.
 *
 * @param uid of the relay's user
 * @returns the user's name; `undefined` for a member of the group, and for root, who needs no group
 */
export async function missingMember(
  { user: group }: TorPlace,
  uid: number,
  run: CommandRunner,
): Promise<string | undefined> {
  if (uid === 0) return undefined
  const groups = (await run('id', ['-nG', String(uid)])).stdout.trim().split(/\s+/)
  if (groups.includes(group)) return undefined
  return (await run('id', ['-nu', String(uid)])).stdout.trim()
}

/**
 * Whether a running process may use the instance's control socket: a process has the groups that its user had when it
 * started.
 *
 * @returns `undefined` when that cannot be learned
 */
export async function processIsMember(
  { user: group }: TorPlace,
  pid: number,
  run: CommandRunner,
): Promise<boolean | undefined> {
  const gid = (await run('getent', ['group', group])).stdout.split(':')[2]
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  const groups = /^Groups:\t(.*)$/m.exec(status)?.[1]?.trim().split(' ')
  if (gid === undefined || groups === undefined) return undefined
  return groups.includes(gid) || /^Uid:\t0\t/m.test(status)
}

/**
 * Adds a user to the instance's group; it counts from the user's next login or service start.
 *
 * @throws AppError `TOR_INSTANCE_GROUP`
 */
export async function joinGroup({ user: group }: TorPlace, user: string, run: CommandRunner): Promise<void> {
  const { status, stderr } = await run('/usr/sbin/usermod', ['-a', '-G', group, user])
  if (status === 0) return
  const message = `The user ${user} could not be added to the group ${group}: ${lastLine(stderr)}.`
  throw new AppError('TOR_INSTANCE_GROUP', message, `Add it manually: usermod -a -G ${group} ${user}`)
}
