import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import { errorCode } from '../system/error-code.ts'
import { become, foreignOwner, keepRights } from '../system/owner.ts'

const { R_OK, W_OK, X_OK } = constants

interface Need {
  readonly path: string
  readonly mode: number
}

/**
 * Checks access to every file that the relay needs to start. Files of another user are what a run as root, or a copy
 * made by root, leaves behind. A missing file is no fault.
 *
 * @throws AppError `FILE_OWNER` with the files, their owner and the command that fixes it
 */
export function checkAccess(paths: Paths): void {
  const { store, storeLog } = paths
  const read = [paths.ini, paths.caCertificate, paths.serverCertificate, paths.serverKey, paths.fingerprint]
  const imported = [storeLog, `${storeLog}.start`, paths.messagesLog, paths.notificationsLog]
  refuse(paths, [
    { path: paths.configDir, mode: X_OK },
    ...[...read, ...imported].map((path) => ({ path, mode: R_OK })),
    ...[paths.stateDir, store].map((path) => ({ path, mode: R_OK | W_OK | X_OK })),
    ...[join(store, 'data.mdb'), join(store, 'lock.mdb')].map((path) => ({ path, mode: R_OK | W_OK })),
  ])
}

/** The same for the INI file alone. */
export function checkIniAccess(paths: Paths): void {
  refuse(paths, [
    { path: paths.configDir, mode: X_OK },
    { path: paths.ini, mode: R_OK },
  ])
}

/**
 * For `init`, before it creates anything: both directories must be writable, or possible to create.
 *
 * @throws AppError `DIRECTORY_MISSING` or `FILE_OWNER`
 */
export function checkDirectories(paths: Paths): void {
  const directories = [paths.configDir, paths.stateDir]
  const missing = directories.filter((path) => !existsSync(path) && isRefused(nearest(path), W_OK | X_OK))
  if (missing.length > 0) {
    throw new AppError(
      'DIRECTORY_MISSING',
      `${missing.join(' and ')} ${missing.length > 1 ? 'do' : 'does'} not exist, and user ${myName()} may not create ${missing.length > 1 ? 'them' : 'it'}.`,
      `Run as root: \`install -d -o ${myName()} -m 700 ${missing.join(' ')}\``,
    )
  }
  refuse(
    paths,
    directories.map((path) => ({ path, mode: W_OK | X_OK })),
  )
}

/** The directory, or its nearest parent that exists. */
function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path))
}

/**
 * Run by root for the relay of another user, this process becomes one of that user: root must not act by path in a
 * directory where someone else can put symbolic links, and leaves no files there that the relay cannot open.
 *
 * @param directories of the relay; the first one of another user decides
 * @returns the user's number, if there is one
 */
export function becomeRelayUser(directories: readonly string[]): number | undefined {
  const owner = directories.map(foreignOwner).find((found) => found !== undefined)
  if (owner) become(owner)
  keepRights()
  return owner?.uid
}

function refuse(paths: Paths, needs: readonly Need[]): void {
  const refused = needs.filter(({ path, mode }) => isRefused(path, mode))
  const [first, ...others] = refused.filter(({ path }) => !refused.some((other) => other.path === dirname(path)))
  if (!first) return
  const owner = ownerOf(first.path)
  const verb = (first.mode & W_OK) === 0 ? 'read' : 'write to'
  const more = others.map(({ path }) => `, nor ${path}`).join('')
  throw new AppError(
    'FILE_OWNER',
    `User ${myName()} may not ${verb} ${first.path}, which belongs to ${userText(owner)}${more}.`,
    remedy(paths, first.path, owner),
  )
}

/** The owner of the directories is the right one; the other came by mistake. */
function remedy({ configDir, stateDir }: Paths, path: string, owner: number | undefined): string {
  const me = myUid()
  if (owner === me) return `Run: \`chmod u+rwX ${path}\``
  const chown = `chown -R ${myName()} ${configDir} ${stateDir}`
  if ([configDir, stateDir].some((directory) => ownerOf(directory) === me)) {
    return `Run as root: \`${chown}\``
  }
  return `Run smp-server as the user that owns the relay, or give it to ${myName()} as root: \`${chown}\``
}

function isRefused(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return false
  } catch (error) {
    return errorCode(error) === 'EACCES'
  }
}

function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid
  } catch {
    return undefined
  }
}

function userText(uid: number | undefined): string {
  return uid === undefined ? 'another user' : uid === 0 ? 'root' : `user ${uid}`
}

function myUid(): number | undefined {
  return process.geteuid?.()
}

/** A number for a user without a name on this machine, as in a container. */
function myName(): string {
  try {
    return userInfo().username
  } catch {
    return String(myUid())
  }
}
