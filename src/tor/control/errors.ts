import { AppError } from '../../errors/app-error.ts'
import type { ControlEndpoint } from './endpoint.ts'
import { endpointText } from './endpoint.ts'

/** What can go wrong between this program and a tor, as faults that the operator can mend. */
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

const isRunning = 'Check that this tor runs, and that [TOR] control names its control socket.'

export function controlAbsent(endpoint: ControlEndpoint, cause?: unknown): AppError {
  return new AppError('TOR_CONTROL_ABSENT', `No tor answers at ${endpointText(endpoint)}.`, isRunning, { cause })
}

export function controlDenied(endpoint: ControlEndpoint, cause?: unknown): AppError {
  return new AppError(
    'TOR_CONTROL_DENIED',
    `This user may not open tor's control socket ${endpointText(endpoint)}.`,
    'Add the user to the group that owns the socket (ls -l shows it), then log in again or restart the service.',
    { cause },
  )
}

export function controlClosed(endpoint: ControlEndpoint, cause?: unknown): AppError {
  return new AppError('TOR_CONTROL_CLOSED', `tor closed the control connection ${endpointText(endpoint)}.`, isRunning, {
    cause,
  })
}

export function controlTimeout(endpoint: ControlEndpoint, what: string, timeoutMs: number): AppError {
  const message = `tor at ${endpointText(endpoint)} did not answer ${what} within ${timeoutMs / 1000} s.`
  return new AppError('TOR_CONTROL_TIMEOUT', message, 'If this goes on, restart that tor.')
}

export function controlGarbled(endpoint: ControlEndpoint, cause: Error): AppError {
  return new AppError(
    'TOR_CONTROL_GARBLED',
    `What answers at ${endpointText(endpoint)} does not speak tor's control protocol: ${cause.message}.`,
    'Let [TOR] control name the control socket of a tor, not its SOCKS port.',
    { cause },
  )
}

export function cookieMissing(path: string): AppError {
  return new AppError(
    'TOR_COOKIE_MISSING',
    `tor's authentication cookie ${path} does not exist.`,
    'Restart that tor; it makes the file when it starts.',
  )
}

export function cookieUnreadable(path: string, why: string, cause?: unknown): AppError {
  return new AppError(
    'TOR_COOKIE_UNREADABLE',
    `tor's authentication cookie ${path} cannot be used: ${why}.`,
    'Add the user to the group that owns the file, and let torrc contain CookieAuthFileGroupReadable 1.',
    { cause },
  )
}

export function passwordNeeded(endpoint: ControlEndpoint): AppError {
  return new AppError(
    'TOR_PASSWORD_NEEDED',
    `tor at ${endpointText(endpoint)} lets only a password in.`,
    'Set [TOR] control_password, or add CookieAuthentication 1 to that torrc.',
  )
}

export function authenticationFailed(endpoint: ControlEndpoint, reason: string): AppError {
  return new AppError(
    'TOR_AUTH_FAILED',
    `tor at ${endpointText(endpoint)} did not let this program in: ${reason}.`,
    'Check that the cookie file belongs to this tor, or that [TOR] control_password is its password.',
  )
}
