import { realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import send from '@fastify/send'
import type { Logger } from '../config/log.ts'
import { textAnswer, type RequestHandler, type WebRequest, type WebResponse } from '../transport/web-requests.ts'
import { acceptsGzip } from './accepts-gzip.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { sitePath } from './site-path.ts'

export interface StaticFilesOptions {
  /** The real path of the directory. */
  readonly root: string
  /** Sent with the server's page, but not with link pages, which would lose the part after the # sign. */
  readonly onionLocation?: string | undefined
  readonly log: Logger
}

const compressible = /\.(html|css|js|svg|json)$|\/apple-app-site-association$/

/** Answers GET and HEAD with the files below a directory, and never with others. */
export function staticFiles(options: StaticFilesOptions): RequestHandler {
  return (request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      // Clients disconnect, and files may change while they are read.
      if (response.headersSent) {
        response.destroy()
        return
      }
      options.log.warn('cannot read a file of the site', { error })
      textAnswer(response, 500, 'Cannot read the file', SECURITY_HEADERS)
    })
  }
}

async function answer(request: WebRequest, response: WebResponse, options: StaticFilesOptions): Promise<void> {
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
  const entry = await entryAt(options.root, wanted.names)
  const file = entry?.kind === 'directory' ? await entryAt(options.root, [...wanted.names, 'index.html']) : entry
  if (file?.kind === 'file') await sendFile(request, response, file.path, options)
  else if (entry?.kind === 'directory') refuse(403, 'Directories are not listed')
  else refuse(404, 'File not found')
}

interface Entry {
  readonly kind: 'file' | 'directory' | 'other'
  /** With every symbolic link resolved. */
  readonly path: string
}

/** The entry at a path; undefined when there is none or it is outside the root. */
async function entryAt(root: string, names: readonly string[]): Promise<Entry | undefined> {
  try {
    const path = await realpath(join(root, ...names))
    if (path !== root && !path.startsWith(`${root}${sep}`)) return undefined
    const stats = await stat(path)
    return { path, kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' }
  } catch {
    return undefined
  }
}

async function sendFile(
  request: WebRequest,
  response: WebResponse,
  path: string,
  { root, onionLocation }: StaticFilesOptions,
): Promise<void> {
  const name = relative(root, path).split(sep)
  const result = await send(request, name.map(encodeURIComponent).join('/'), { root, index: false, dotfiles: 'deny' })
  if (result.type !== 'file') {
    result.stream.destroy()
    const range = result.headers['Content-Range']
    const headers = range === undefined ? SECURITY_HEADERS : { ...SECURITY_HEADERS, 'Content-Range': range }
    textAnswer(response, result.statusCode, refusals[result.statusCode] ?? 'Cannot read the file', headers)
    return
  }
  const isCompressible = compressible.test(`/${name.join('/')}`)
  const isCompressed = isCompressible && result.statusCode === 200 && acceptsGzip(request.headers['accept-encoding'])
  response.writeHead(result.statusCode, {
    ...(isCompressed ? compressedHeaders(result.headers) : result.headers),
    ...(name.at(-1) === 'apple-app-site-association' && { 'Content-Type': 'application/json' }),
    ...(isCompressible && { Vary: 'Accept-Encoding' }),
    ...(onionLocation !== undefined && path === join(root, 'index.html') && { 'Onion-Location': onionLocation }),
    ...SECURITY_HEADERS,
  })
  if (request.method === 'HEAD' || result.statusCode === 304) {
    result.stream.destroy()
    response.end()
  } else if (isCompressed) await pipeline(result.stream, createGzip(), response)
  else await pipeline(result.stream, response)
}

/** The length of a response that is compressed on the fly is unknown, and ranges of it cannot be requested. */
function compressedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => name !== 'Content-Length' && name !== 'Accept-Ranges')
  return { ...Object.fromEntries(kept), 'Content-Encoding': 'gzip' }
}

const refusals: Readonly<Record<number, string>> = {
  412: 'The file has changed',
  416: 'The file does not have that range',
}
