import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { errorCode } from '../../system/error-code.ts'
import type { ConnectionOptions } from './connection.ts'
import { ControlConnection } from './connection.ts'
import { type ControlEndpoint, isLocal } from './endpoint.ts'
import {
  TorRefusal,
  authenticationFailed,
  controlGarbled,
  cookieMissing,
  cookieUnreadable,
  passwordNeeded,
} from './errors.ts'
import { parseArguments } from './quoted.ts'
import type { ControlMessage } from './reply.ts'

/*
 * Authentication (Tor control-spec §3.5, §3.21, §3.24). tor closes the connection at every failure, so each attempt has
 * a connection of its own. SAFECOOKIE comes first: with it both sides show that they know the cookie, so an impostor
 * cannot make this program send it the content of a file.
 */

export const authenticationMethods = ['NULL', 'SAFECOOKIE', 'COOKIE', 'HASHEDPASSWORD'] as const
export type AuthenticationMethod = (typeof authenticationMethods)[number]

export interface ProtocolInfo {
  readonly methods: readonly string[]
  readonly cookieFile: string | undefined
  readonly version: string
}

export interface LoginOptions extends ConnectionOptions {
  readonly endpoint: ControlEndpoint
  readonly password?: string | undefined
  /** Instead of the file that tor names, e.g. because tor sees another file system. */
  readonly cookieFile?: string | undefined
  /** How long a cookie may be missing or stale: tor opens its socket before it has written the file. */
  readonly cookieGraceMs?: number
  /** Only these, in this order; for tests. */
  readonly methods?: readonly AuthenticationMethod[]
}

export interface Login {
  readonly connection: ControlConnection
  readonly info: ProtocolInfo
  readonly method: AuthenticationMethod
}

const cookieBytes = 32
const serverHashKey = 'Tor safe cookie authentication server-to-controller hash'
const controllerHashKey = 'Tor safe cookie authentication controller-to-server hash'

/** The hash that shows that tor knows the cookie; all of 32 bytes. */
export function safeCookieServerHash(cookie: Uint8Array, clientNonce: Uint8Array, serverNonce: Uint8Array): Buffer {
  return createHmac('sha256', serverHashKey).update(cookie).update(clientNonce).update(serverNonce).digest()
}

/** The hash that shows that the controller knows it. */
export function safeCookieControllerHash(cookie: Uint8Array, clientNonce: Uint8Array, serverNonce: Uint8Array): Buffer {
  return createHmac('sha256', controllerHashKey).update(cookie).update(clientNonce).update(serverNonce).digest()
}

/** Reads the reply to `PROTOCOLINFO 1`; `undefined` when it lacks the methods or the version. */
export function parseProtocolInfo(reply: ControlMessage): ProtocolInfo | undefined {
  let methods: string[] | undefined
  let cookieFile: string | undefined
  let version: string | undefined
  for (const { text } of reply.lines) {
    const [word] = text.split(' ', 1)
    const { keywords } = parseArguments(text)
    if (word === 'AUTH') {
      methods = keywords.get('METHODS')?.split(',')
      cookieFile = keywords.get('COOKIEFILE')
    } else if (word === 'VERSION') version = keywords.get('Tor')
  }
  return methods && version !== undefined ? { methods, cookieFile, version } : undefined
}

/**
 * Opens a connection and logs in with the first method that works.
 *
 * @throws AppError whatever `ControlConnection.open` throws, and `TOR_COOKIE_MISSING`, `TOR_COOKIE_UNREADABLE`,
 *   `TOR_PASSWORD_NEEDED`, `TOR_AUTH_FAILED`
 */
export async function login(options: LoginOptions): Promise<Login> {
  const deadline = performance.now() + (options.cookieGraceMs ?? 2000)
  let failed: AppError | undefined
  for (let rank = 0; ;) {
    const outcome = await attempt(options, rank)
    if ('connection' in outcome) return outcome
    if (outcome.method === undefined) throw failed ?? outcome.fault
    failed = outcome.fault
    if (isTransient(outcome.method, failed) && performance.now() < deadline) await sleep(50)
    else rank += 1
  }
}

/** Whether a cookie that tor is just writing would explain it. */
function isTransient(method: AuthenticationMethod, fault: AppError): boolean {
  return fault.code === 'TOR_COOKIE_MISSING' || (fault.code === 'TOR_AUTH_FAILED' && method.endsWith('COOKIE'))
}

/** Tries the usable method of this rank; `method` is undefined when there is none. */
async function attempt(
  options: LoginOptions,
  rank: number,
): Promise<Login | { readonly method: AuthenticationMethod | undefined; readonly fault: AppError }> {
  const connection = await ControlConnection.open(options.endpoint, options)
  let method: AuthenticationMethod | undefined
  try {
    const info = await protocolInfo(connection)
    method = usableMethods(info, options)[rank]
    if (!method) throw noMethod(info, options)
    await authenticate(connection, info, method, options)
    return { connection, info, method }
  } catch (error) {
    connection.close()
    if (error instanceof AppError && loginFaults.includes(error.code)) return { method, fault: error }
    throw error
  }
}

const loginFaults = ['TOR_COOKIE_MISSING', 'TOR_COOKIE_UNREADABLE', 'TOR_PASSWORD_NEEDED', 'TOR_AUTH_FAILED']

async function protocolInfo(connection: ControlConnection): Promise<ProtocolInfo> {
  const info = parseProtocolInfo(await connection.send('PROTOCOLINFO 1'))
  if (!info) throw controlGarbled(connection.endpoint, new Error('the reply to PROTOCOLINFO is malformed'))
  return info
}

function usableMethods(info: ProtocolInfo, options: LoginOptions): AuthenticationMethod[] {
  if (options.methods) return options.methods.filter((method) => info.methods.includes(method))
  // Whoever gives a password is told when it is wrong, and not that there is no cookie.
  const usesPassword = options.password !== undefined && info.methods.includes('HASHEDPASSWORD')
  const isUsable: Readonly<Record<AuthenticationMethod, boolean>> = {
    NULL: true,
    HASHEDPASSWORD: options.password !== undefined,
    SAFECOOKIE: !usesPassword,
    // It would send a file that the other side names: to an impostor, after a failed SAFECOOKIE or on another machine.
    COOKIE:
      !usesPassword &&
      !info.methods.includes('SAFECOOKIE') &&
      (isLocal(options.endpoint) || options.cookieFile !== undefined),
  }
  return authenticationMethods.filter((method) => info.methods.includes(method) && isUsable[method])
}

function noMethod(info: ProtocolInfo, options: LoginOptions): AppError {
  if (info.methods.includes('HASHEDPASSWORD') && options.password === undefined) return passwordNeeded(options.endpoint)
  return authenticationFailed(options.endpoint, `it offers ${info.methods.join(', ')} only`)
}

async function authenticate(
  connection: ControlConnection,
  info: ProtocolInfo,
  method: AuthenticationMethod,
  options: LoginOptions,
): Promise<void> {
  try {
    await connection.send(await credential(connection, info, method, options))
  } catch (error) {
    if (!(error instanceof TorRefusal)) throw error
    const reason = error.reason.replace(/^Authentication failed: /, '')
    throw authenticationFailed(connection.endpoint, reason, method === 'HASHEDPASSWORD')
  }
}

async function credential(
  connection: ControlConnection,
  info: ProtocolInfo,
  method: AuthenticationMethod,
  options: LoginOptions,
): Promise<string> {
  if (method === 'NULL') return 'AUTHENTICATE'
  // As hexadecimal, because there is no other way to send what is not ASCII.
  if (method === 'HASHEDPASSWORD') return `AUTHENTICATE ${Buffer.from(options.password ?? '').toString('hex')}`
  const cookie = await readCookie(options.cookieFile ?? info.cookieFile ?? '', options.endpoint)
  if (method === 'COOKIE') return `AUTHENTICATE ${cookie.toString('hex')}`
  const clientNonce = randomBytes(32)
  const reply = await connection.send(`AUTHCHALLENGE SAFECOOKIE ${clientNonce.toString('hex')}`)
  const { keywords } = parseArguments(reply.lines[0]?.text ?? '')
  const serverHash = Buffer.from(keywords.get('SERVERHASH') ?? '', 'hex')
  const serverNonce = Buffer.from(keywords.get('SERVERNONCE') ?? '', 'hex')
  const expected = safeCookieServerHash(cookie, clientNonce, serverNonce)
  if (serverNonce.length !== 32 || serverHash.length !== 32 || !timingSafeEqual(serverHash, expected)) {
    throw authenticationFailed(connection.endpoint, 'it does not know its own cookie')
  }
  return `AUTHENTICATE ${safeCookieControllerHash(cookie, clientNonce, serverNonce).toString('hex')}`
}

async function readCookie(path: string, endpoint: ControlEndpoint): Promise<Buffer> {
  const bytes = Buffer.alloc(cookieBytes + 1)
  let length: number
  try {
    const file = await open(path)
    try {
      length = (await file.read(bytes, 0, bytes.length, 0)).bytesRead
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') throw cookieMissing(path, endpoint)
    throw cookieUnreadable(path, code === 'EACCES' ? 'this user may not read it' : (code ?? 'it cannot be read'), error)
  }
  // tor is just writing an empty one.
  if (length === 0) throw cookieMissing(path, endpoint)
  if (length !== cookieBytes) throw cookieUnreadable(path, 'it does not have 32 bytes')
  return bytes.subarray(0, cookieBytes)
}
