import type { Stats } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import send, { type SendResult } from '@fastify/send'
import type { Logger } from '../config/log.ts'
import {
  bodyAnswer,
  textAnswer,
  type RequestHandler,
  type WebRequest,
  type WebResponse,
} from '../transport/web-requests.ts'
import { acceptsGzip } from './accepts-gzip.ts'
import { FileCache, MAX_CACHED_FILE } from './file-cache.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { sitePath } from './site-path.ts'

export interface StaticFilesOptions {
  /** The real path of the directory. */
  readonly root: string
  /** Sent with the server's page, but not with link pages, which would lose the part after the # sign. */
  readonly onionLocation?: string | undefined
  readonly log: Logger
}

/** Files that are too large for memory are read by so many clients at a time; others are asked to come back. */
const MAX_DOWNLOADS = 16
const RETRY_SECONDS = 30

const compressible = /\.(html|css|js|svg|json)$|\/apple-app-site-association$/

/** Answers GET and HEAD with the files below a directory, and never with others. */
export function staticFiles(options: StaticFilesOptions): RequestHandler {
  const site: Site = { ...options, cache: new FileCache(), downloads: 0 }
  return (request, response, gone) => {
    answer({ request, response, gone }, site).catch((error: unknown) => {
      if (gone.aborted) return
      options.log.warn('cannot read a file of the site', { error })
      if (response.headersSent) response.destroy()
      else textAnswer(response, 500, 'Cannot read the file', SECURITY_HEADERS)
    })
  }
}

interface Site extends StaticFilesOptions {
  readonly cache: FileCache
  downloads: number
}

interface Exchange {
  readonly request: WebRequest
  readonly response: WebResponse
  readonly gone: AbortSignal
}

async function answer(exchange: Exchange, site: Site): Promise<void> {
  const { request, response } = exchange
  const refuse = (status: number, text: string): void => textAnswer(response, status, text, SECURITY_HEADERS)
  const wanted = sitePath(request.url ?? '')
  if (wanted.type === 'malformed') {
    refuse(400, 'Bad path')
    return
  }
  if (wanted.type === 'forbidden') {
    refuse(403, 'Forbidden')
    return
  }
  const entry = await entryAt(site.root, wanted.names)
  const file = entry?.kind === 'directory' ? await entryAt(site.root, [...wanted.names, 'index.html']) : entry
  if (exchange.gone.aborted) return
  if (file?.kind === 'file') await sendFile(exchange, file, site)
  else if (entry?.kind === 'directory') refuse(403, 'Directories are not listed')
  else await notFound(exchange, site)
}

/** A page for browsers, a line of text for programs. */
async function notFound({ request, response, gone }: Exchange, { root, cache }: Site): Promise<void> {
  const isBrowser = request.headers.accept?.includes('text/html') === true
  const page = isBrowser ? await entryAt(root, ['404.html']) : undefined
  if (page?.kind !== 'file' || page.stats.size > MAX_CACHED_FILE) {
    textAnswer(response, 404, 'File not found', SECURITY_HEADERS)
    return
  }
  const body = await cache.read(page.path, page.stats, false)
  if (gone.aborted) return
  bodyAnswer(response, 404, body, { ...SECURITY_HEADERS, 'Content-Type': 'text/html; charset=utf-8', Vary: 'Accept' })
}

interface Entry {
  readonly kind: 'file' | 'directory' | 'other'
  /** With every symbolic link resolved. */
  readonly path: string
  readonly stats: Stats
}

/** The entry at a path; undefined when there is none or it is outside the root. */
async function entryAt(root: string, names: readonly string[]): Promise<Entry | undefined> {
  try {
    const path = await realpath(join(root, ...names))
    if (path !== root && !path.startsWith(`${root}${sep}`)) return undefined
    const stats = await stat(path)
    return { path, stats, kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' }
  } catch {
    return undefined
  }
}

async function sendFile({ request, response, gone }: Exchange, { path, stats }: Entry, site: Site): Promise<void> {
  const { root, onionLocation, cache } = site
  const name = relative(root, path).split(sep)
  const result = await headersFor(request, name, root)
  if (result.type !== 'file') {
    const range = result.headers['Content-Range']
    const headers = range === undefined ? SECURITY_HEADERS : { ...SECURITY_HEADERS, 'Content-Range': range }
    textAnswer(response, result.statusCode, refusals[result.statusCode] ?? 'Cannot read the file', headers)
    return
  }
  const { statusCode, headers } = result
  const isSmall = stats.size <= MAX_CACHED_FILE
  const isCompressible = isSmall && compressible.test(`/${name.join('/')}`)
  const isCompressed = isCompressible && statusCode === 200 && acceptsGzip(request.headers['accept-encoding'])
  const hasBody = request.method !== 'HEAD' && statusCode !== 304
  const whole = isSmall && (hasBody || isCompressed) ? await cache.read(path, stats, isCompressed) : undefined
  if (gone.aborted) return
  if (!isSmall && hasBody && site.downloads >= MAX_DOWNLOADS) {
    textAnswer(response, 503, 'Too many downloads', { ...SECURITY_HEADERS, 'Retry-After': RETRY_SECONDS })
    return
  }
  response.writeHead(statusCode, {
    ...(isCompressed ? compressedHeaders(headers, whole?.length ?? 0) : headers),
    ...(name.at(-1) === 'apple-app-site-association' && { 'Content-Type': 'application/json' }),
    ...(isCompressible && { Vary: 'Accept-Encoding' }),
    ...(onionLocation !== undefined && path === join(root, 'index.html') && { 'Onion-Location': onionLocation }),
    ...SECURITY_HEADERS,
  })
  if (!hasBody) response.end()
  else if (whole === undefined) await download(path, rangeOf(headers), { response, gone }, site)
  else if (isCompressed) response.end(whole)
  else {
    const { start, end } = rangeOf(headers)
    response.end(end === undefined ? whole : whole.subarray(start, end + 1))
  }
}

/** Status and headers, conditions and ranges included. For HEAD, so that no file is opened. */
async function headersFor({ headers }: WebRequest, name: readonly string[], root: string): Promise<SendResult> {
  const request = Object.assign(Readable.from([]), { method: 'HEAD', headers })
  const result = await send(request, name.map(encodeURIComponent).join('/'), { root, index: false, dotfiles: 'deny' })
  result.stream.destroy()
  return result
}

/** Sends a file piece by piece; it is open only while the client is there. */
async function download(
  path: string,
  range: ByteRange,
  { response, gone }: Pick<Exchange, 'response' | 'gone'>,
  site: Site,
): Promise<void> {
  site.downloads++
  try {
    const file = await open(path)
    try {
      await pipeline(file.createReadStream({ ...range, autoClose: false }), response, { signal: gone })
    } finally {
      await file.close()
    }
  } finally {
    site.downloads--
  }
}

/** Both ends included; to the end of the file when `end` is absent. */
interface ByteRange {
  readonly start: number
  readonly end?: number
}

function rangeOf(headers: Readonly<Record<string, string>>): ByteRange {
  const [, start, end] = /^bytes (\d+)-(\d+)\//.exec(headers['Content-Range'] ?? '') ?? []
  return start === undefined || end === undefined ? { start: 0 } : { start: Number(start), end: Number(end) }
}

/** Ranges of a compressed response cannot be requested. */
function compressedHeaders(headers: Readonly<Record<string, string>>, length: number): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => name !== 'Accept-Ranges')
  return { ...Object.fromEntries(kept), 'Content-Length': String(length), 'Content-Encoding': 'gzip' }
}

const refusals: Readonly<Record<number, string>> = {
  412: 'The file has changed',
  416: 'The file does not have that range',
}
