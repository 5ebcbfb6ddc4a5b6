import type { NameError } from '../protocol/errors.ts'

export interface NameResolverOptions {
  /** An absolute http or https URL without a trailing slash. */
  readonly endpoint: string
  /** The value of the Authorization header. */
  readonly authorization?: string
  readonly timeoutMs: number
  readonly maxResponseBytes: number
  /** Lookups under way at once; more wait for their turn. */
  readonly concurrency: number
}

/** The JSON text of RNAME, or why there is none. */
export type NameResult = { readonly json: string } | { readonly error: NameError }

/** The parts of a resolved name, in the order in which clients get them; only a coin may be missing, and is null then. */
const RECORD: Readonly<Record<string, 'text' | 'texts' | 'coin'>> = {
  name: 'text',
  nickname: 'text',
  website: 'text',
  location: 'text',
  simplexContact: 'texts',
  simplexChannel: 'texts',
  eth: 'coin',
  btc: 'coin',
  xmr: 'coin',
  dot: 'coin',
  owner: 'text',
  resolver: 'text',
}

/** Resolves public names with the HTTP resolver of the operator (SMP commands §8). Never rejects. */
export class NameResolver {
  readonly #options: NameResolverOptions
  #active = 0
  readonly #turns: (() => void)[] = []

  constructor(options: NameResolverOptions) {
    this.#options = options
  }

  async resolve(name: string): Promise<NameResult> {
    if (this.#active >= this.#options.concurrency) await new Promise<void>((resolve) => this.#turns.push(resolve))
    this.#active++
    try {
      return await this.#fetch(`/resolve/${encodeURIComponent(name)}`)
    } finally {
      this.#active--
      this.#turns.shift()?.()
    }
  }

  /** Whether the resolver answers. */
  async probe(): Promise<boolean> {
    try {
      const response = await this.#request('/health')
      await response.body?.cancel()
      return response.ok
    } catch {
      return false
    }
  }

  async #fetch(path: string): Promise<NameResult> {
    try {
      const response = await this.#request(path)
      if (response.status === 404 || response.status === 400) {
        await response.body?.cancel()
        return { error: { type: 'NOT_FOUND' } }
      }
      if (!response.ok) {
        await response.body?.cancel()
        return resolverError(response.status >= 400 ? `HTTP ${response.status}` : 'transport failure')
      }
      const body = await readBounded(response, this.#options.maxResponseBytes)
      if (body === undefined) return resolverError('response too large')
      const json = nameJson(body)
      return json === undefined ? resolverError('invalid response') : { json }
    } catch (error) {
      return resolverError(error instanceof Error && error.name === 'TimeoutError' ? 'timeout' : 'transport failure')
    }
  }

  #request(path: string): Promise<Response> {
    const { endpoint, authorization, timeoutMs } = this.#options
    return fetch(endpoint + path, {
      redirect: 'manual',
      headers: { accept: 'application/json', ...(authorization !== undefined && { authorization }) },
      signal: AbortSignal.timeout(timeoutMs),
    })
  }
}

function resolverError(message: string): NameResult {
  return { error: { type: 'RESOLVER', message } }
}

/** The body, or undefined when it is longer than `limit` bytes. */
async function readBounded(response: Response, limit: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  if (response.body === null) return Buffer.alloc(0)
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > limit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Clients parse the whole record or nothing, so an incomplete one is no answer. */
function nameJson(body: Buffer): string | undefined {
  const value = parseObject(body)
  if (value === undefined) return undefined
  const known: Record<string, unknown> = {}
  for (const [key, kind] of Object.entries(RECORD)) {
    const part = kind === 'coin' ? (value[key] ?? null) : value[key]
    if (!isOfKind(part, kind)) return undefined
    known[key] = part
  }
  return JSON.stringify(known)
}

function isOfKind(part: unknown, kind: 'text' | 'texts' | 'coin'): boolean {
  if (kind === 'texts') return Array.isArray(part) && part.every((item) => typeof item === 'string')
  return typeof part === 'string' || (kind === 'coin' && part === null)
}

function parseObject(utf8: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(utf8))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
