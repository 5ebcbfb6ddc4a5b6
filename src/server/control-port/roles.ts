import { samePassword } from '../password.ts'
import type { ControlVerb } from './command.ts'

/** What a connection may do: each role may do what those before it may. */
export const roles = ['none', 'user', 'admin'] as const
export type Role = (typeof roles)[number]

/** From the INI file; without one nobody gets the role. */
export interface ControlPasswords {
  readonly admin: string | undefined
  readonly user: string | undefined
}

/** The least role that a command needs. */
const needed: Record<ControlVerb, Role> = {
  nothing: 'none',
  auth: 'none',
  help: 'none',
  quit: 'none',
  'stats-rts': 'none',
  stats: 'user',
  sockets: 'user',
  'server-info': 'user',
  status: 'user',
  block: 'user',
  unblock: 'user',
  clients: 'admin',
  threads: 'admin',
  'socket-threads': 'admin',
  delete: 'admin',
  save: 'admin',
  suspend: 'admin',
  resume: 'admin',
}

export function mayUse(role: Role, verb: ControlVerb): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed[verb])
}

/**
 * The role that a password gives; the administrator's comes first, and both are always compared.
 *
 * @param given a latin1 byte string, as it came
 */
export function roleFor(given: string, { admin, user }: ControlPasswords): Role {
  const [isAdmin, isUser] = [admin, user].map((password) => isSet(password) && samePassword(password, given))
  return isAdmin === true ? 'admin' : isUser === true ? 'user' : 'none'
}

export function isSet(password: string | undefined): password is string {
  return password !== undefined && password !== ''
}

const names: Record<Role, string> = { none: 'CPRNone', user: 'CPRUser', admin: 'CPRAdmin' }

/** The answer to `auth`: once a connection has a role it keeps it. */
export function roleLine(role: Role, asked: Role): string {
  const kept = role === asked ? '' : ', start new session to change.'
  return `Current role is ${names[role]}${kept}`
}
