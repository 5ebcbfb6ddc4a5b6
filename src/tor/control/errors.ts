import { AppError } from '../../errors/app-error.ts'
import type { ControlEndpoint } from './endpoint.ts'
import { endpointText, isLocal } from './endpoint.ts'
import { errorCode } from '../../system/error-code.ts'

/** What can go wrong between this program and a tor, as faults that the operator can fix. */
export type ControlErrorCode =
  | 'TOR_CONTROL_ABSENT'
  | 'TOR_CONTROL_DENIED'
  | 'TOR_CONTROL_CLOSED'
  | 'TOR_CONTROL_TIMEOUT'
  | 'TOR_CONTROL_GARBLED'
  | 'TOR_COOKIE_MISSING'
  | 'TOR_COOKIE_UNREADABLE'
  | 'TOR_PASSWORD_NEEDED'
  | 'TOR_AUTH_FAILED'

/** tor understood a command and said no. */
export class TorRefusal extends AppError {
  readonly status: number
  /** tor's own words. */
  readonly reason: string

  constructor(verb: string, status: number, reason: string) {
    super('TOR_REFUSED', `tor refused ${verb}: ${reason} (${status}).`)
    this.status = status
    this.reason = reason
  }
}

/** The unit and the group of a tor that systemd runs on Debian, by the place of its control socket. */
function debianTor(endpoint: ControlEndpoint): { readonly unit: string; readonly group: string } | undefined {
  if (endpoint.type !== 'unix') return undefined
  if (endpoint.path === '/run/tor/control') return { unit: 'tor@default', group: 'debian-tor' }
  const name = /^\/run\/tor-instances\/([A-Za-z0-9]+)\/control$/.exec(endpoint.path)?.[1]
  return name === undefined ? undefined : { unit: `tor@${name}`, group: `_tor-${name}` }
}

/** Shows what a tor of the system does, or what to look at elsewhere. */
function lookAt(endpoint: ControlEndpoint, otherwise = CHECK_TOR): string {
  const tor = debianTor(endpoint)
  return tor === undefined ? otherwise : `Run: systemctl status ${tor.unit}; journalctl -u ${tor.unit} -n 20`
}

const CHECK_TOR = 'Check that this tor runs, and that control under [TOR] is its control socket.'

export function controlAbsent(endpoint: ControlEndpoint, cause?: unknown): AppError {
  const at = endpointText(endpoint)
  if (isLocal(endpoint))
    return new AppError('TOR_CONTROL_ABSENT', `No tor answers at ${at}.`, lookAt(endpoint), { cause })
  const code = errorCode(cause) ?? ''
  const why = ABSENCES.get(code) ?? (code === '' ? 'no connection' : code)
  const remedy = `Check that this tor runs, that its torrc has a ControlPort which this machine can reach, and that control under [TOR] is right.`
  return new AppError('TOR_CONTROL_ABSENT', `No tor answers at ${at}: ${why}.`, remedy, { cause })
}

const ABSENCES = new Map([
  ['ECONNREFUSED', 'the connection was refused'],
  ['ENOTFOUND', 'there is no host of this name'],
  ['EAI_AGAIN', 'the name cannot be looked up at the moment'],
  ['EHOSTUNREACH', 'there is no route to this host'],
  ['ENETUNREACH', 'there is no route to this network'],
  ['ETIMEDOUT', 'the host does not answer'],
])

export function controlDenied(endpoint: ControlEndpoint, cause?: unknown): AppError {
  const group = debianTor(endpoint)?.group
  return new AppError(
    'TOR_CONTROL_DENIED',
    `This user may not open tor's control socket ${endpointText(endpoint)}.`,
    group === undefined
      ? 'Add the user to the group of the socket (`ls -l` shows it), then restart the relay: systemctl restart smp-server'
      : `Restart the relay, so that it gets the group ${group}: systemctl restart smp-server. If it does not: smp-server tor setup`,
    { cause },
  )
}

export function controlClosed(endpoint: ControlEndpoint, cause?: unknown): AppError {
  return new AppError(
    'TOR_CONTROL_CLOSED',
    `tor closed the control connection ${endpointText(endpoint)}.`,
    lookAt(endpoint),
    {
      cause,
    },
  )
}

export function controlTimeout(endpoint: ControlEndpoint, what: string, timeoutMs: number): AppError {
  const message = `tor at ${endpointText(endpoint)} did not answer ${what} within ${timeoutMs / 1000} s.`
  const unit = debianTor(endpoint)?.unit
  const remedy =
    unit === undefined ? 'If this continues, restart that tor.' : `If this continues: systemctl restart ${unit}`
  return new AppError('TOR_CONTROL_TIMEOUT', message, remedy)
}

export function controlGarbled(endpoint: ControlEndpoint, cause: Error): AppError {
  return new AppError(
    'TOR_CONTROL_GARBLED',
    `${endpointText(endpoint)} is not a tor control port: ${cause.message}.`,
    'Set control under [TOR] to the control socket of tor, not to its SOCKS port.',
    { cause },
  )
}

export function cookieMissing(path: string, endpoint: ControlEndpoint): AppError {
  return new AppError(
    'TOR_COOKIE_MISSING',
    `tor's authentication cookie ${path} does not exist.`,
    isLocal(endpoint)
      ? 'Restart that tor, which creates the file at its start.'
      : 'Share that file with this machine and set control_cookie under [TOR] to its path, or use a password: control_password_file.',
  )
}

export function cookieUnreadable(path: string, why: string, cause?: unknown): AppError {
  return new AppError(
    'TOR_COOKIE_UNREADABLE',
    `tor's authentication cookie ${path} cannot be used: ${why}.`,
    'Add the user to the group of the file, and CookieAuthFileGroupReadable 1 to that torrc.',
    { cause },
  )
}

export function passwordNeeded(endpoint: ControlEndpoint): AppError {
  return new AppError(
    'TOR_PASSWORD_NEEDED',
    `tor at ${endpointText(endpoint)} requires a password.`,
    'Write it into a file of mode 0600, and set control_password_file under [TOR] to its path.',
  )
}

/** @param isPassword it was a password, and no cookie, that tor rejected */
export function authenticationFailed(endpoint: ControlEndpoint, reason: string, isPassword = false): AppError {
  return new AppError(
    'TOR_AUTH_FAILED',
    `tor at ${endpointText(endpoint)} rejected the login: ${reason}.`,
    isPassword
      ? 'Put the password into control_password_file whose hash is HashedControlPassword in that torrc; `tor --hash-password` makes a new hash.'
      : 'Check that the cookie file belongs to this tor. Restarting that tor creates it again.',
  )
}
