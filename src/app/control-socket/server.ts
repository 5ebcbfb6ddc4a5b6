import { unlinkSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { dirname } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import { errorCode } from '../../system/error-code.ts'
import { askRelay } from './client.ts'
import { reachable } from './reachable-path.ts'

/*
 * The way to a running relay from its own machine: HTTP with JSON on a unix socket in the state directory, for the
 * relay's user and root only (0600). `curl --unix-socket /var/opt/simplex/control.sock http://relay/status` asks it.
 *
 *     request  = ("GET" / "POST") " /" word, a POST with a JSON value or nothing as its body
 *     answer   = 200 and a JSON value, or 4xx / 5xx and { "error": { "code", "message", "remedy" } }
 */

/** Answers one question; a thrown `AppError` goes to whoever asks. `body` is what a POST carried. */
export type Answer = (body: unknown) => unknown

/** By method and path, for example `GET /status`. */
export type Answers = Readonly<Record<string, Answer>>

export interface ControlSocketOptions {
  readonly path: string
  readonly answers: Answers
  readonly log: Logger
}

export interface ControlSocket {
  close(): Promise<void>
}

/** Bytes of a request's body. */
const MAX_BODY = 64 * 1024
const MAX_CONNECTIONS = 32
const REQUEST_TIMEOUT_MS = 5000
const IDLE_MS = 60_000

/**
 * Listens on the socket. A relay that cannot have it runs without, and says so: its users do not depend on it.
 *
 * @returns undefined when the socket cannot be opened, or another relay has it
 */
export async function openControlSocket({
  path,
  answers,
  log,
}: ControlSocketOptions): Promise<ControlSocket | undefined> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void answer(request, response, answers, log)
  })
  server.maxConnections = MAX_CONNECTIONS
  server.timeout = IDLE_MS
  try {
    if (await isAnswered(path)) {
      log.warn(`another relay answers at ${path}: status and reload go to that one`)
      return undefined
    }
    // A relay on PostgreSQL has no store that would have made it.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await listen(server, path)
  } catch (error) {
    log.warn(`no status and reload for this relay: ${path} cannot be opened`, { error })
    return undefined
  }
  server.on('error', (error) => log.warn('the control socket failed', { error }))
  return {
    close: async () => {
      await close(server)
      await rm(path, { force: true })
    },
  }
}

async function isAnswered(path: string): Promise<boolean> {
  try {
    return (await askRelay(path, 'GET /ping')) !== undefined
  } catch {
    // Something is there that answers, even if not as expected.
    return true
  }
}

/** What a relay that was killed left behind makes way. */
async function listen(server: Server, path: string): Promise<void> {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  const found = reachable(path)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // The socket is made at once, and must never have wider permissions.
      const mask = process.umask(0o177)
      try {
        server.listen(found.place, () => {
          server.off('error', reject)
          resolve()
        })
      } finally {
        process.umask(mask)
      }
    })
  } finally {
    found.release()
  }
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  answers: Answers,
  log: Logger,
): Promise<void> {
  request.on('error', () => response.destroy())
  response.on('error', () => response.destroy())
  const { status, value } = await answerOf(request, answers).catch((error: unknown) => {
    if (error instanceof AppError) return fault(400, error.message, error)
    log.error('a question at the control socket failed', { error })
    return fault(500, error instanceof Error ? error.message : String(error))
  })
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(value)}\n`)
}

interface Answered {
  readonly status: number
  readonly value: unknown
}

async function answerOf(request: IncomingMessage, answers: Answers): Promise<Answered> {
  const question = `${request.method ?? ''} ${request.url ?? ''}`
  if (question === 'GET /ping') return { status: 200, value: {} }
  const found = Object.hasOwn(answers, question) ? answers[question] : undefined
  if (found === undefined) return fault(404, `This relay does not know the question ${question}.`)
  const text = await bodyOf(request)
  if (text === undefined) return fault(413, `A question has at most ${MAX_BODY} bytes.`)
  return { status: 200, value: (await found(text === '' ? undefined : JSON.parse(text))) ?? {} }
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function fault(status: number, message: string, error?: AppError): Answered {
  return { status, value: { error: { code: error?.code ?? 'RELAY_QUESTION', message, remedy: error?.remedy } } }
}
