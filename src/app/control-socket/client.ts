import { request, type RequestOptions } from 'node:http'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import { isErrorCode } from '../../errors/codes.ts'
import { errorCode } from '../../system/error-code.ts'
import { reachable } from './reachable-path.ts'

const TIMEOUT_MS = 30_000
/** Bytes of an answer. */
const MAX_ANSWER = 4 * 1024 * 1024

const errorAnswer = v.object({
  error: v.object({ code: v.string(), message: v.string(), remedy: v.optional(v.string()) }),
})

/**
 * Asks the relay that runs on this state directory.
 *
 * @param socket `Paths.controlSocket`
 * @param question method and path, for example `GET /status`
 * @param body a JSON value for a POST
 * @returns the JSON value of the answer, or undefined when no relay runs
 * @throws AppError `RELAY_SOCKET` when this user may not ask, or the relay does not answer in time; and what the relay
 *   refuses
 */
export async function askRelay(socket: string, question: string, body?: unknown): Promise<unknown> {
  const answer = await exchange(socket, question, body)
  if (answer === undefined) return undefined
  const value: unknown = parseJson(answer.text, socket)
  if (answer.status === 200) return value
  const refusal = v.safeParse(errorAnswer, value)
  if (!refusal.success) throw cannotAsk(socket, new Error(`status ${answer.status}`))
  const { error } = refusal.output
  throw new AppError(isErrorCode(error.code) ? error.code : 'RELAY_SOCKET', error.message, error.remedy)
}

interface RawAnswer {
  readonly status: number
  readonly text: string
}

async function exchange(socket: string, question: string, body: unknown): Promise<RawAnswer | undefined> {
  const [method, path] = question.split(' ')
  try {
    const found = reachable(socket)
    try {
      return await send({ socketPath: found.place, method, path, timeout: TIMEOUT_MS, agent: false }, body)
    } finally {
      found.release()
    }
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined
    throw cannotAsk(socket, error)
  }
}

function send(options: RequestOptions, body: unknown): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const asking = request(options, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > MAX_ANSWER) response.destroy(new Error('the answer is too long'))
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    asking.on('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.on('error', reject)
    asking.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function parseJson(text: string, socket: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw cannotAsk(socket, error)
  }
}

function cannotAsk(socket: string, cause: unknown): AppError {
  const code = errorCode(cause)
  if (code === 'EACCES' || code === 'EPERM') {
    const remedy = 'Run the command as the user of the relay, or as root.'
    return new AppError('RELAY_SOCKET', `This user may not ask the relay at ${socket}.`, remedy, { cause })
  }
  const why = cause instanceof Error ? cause.message : String(cause)
  return new AppError('RELAY_SOCKET', `The relay does not answer at ${socket}: ${why}.`, 'Look at its log.', { cause })
}
