import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bodyAnswer, pathOf, textAnswer, type RequestHandler, type WebRequest } from '../../transport/web-requests.ts'
import { DASHBOARD_POLICY, dashboardPage } from './page.ts'
import { SAMPLE_RANGES, type SampleRange } from './sample-file.ts'
import { sampleColumns, type Sample } from './samples.ts'
import type { DashboardStatus } from './status.ts'

export interface DashboardSource {
  readonly status: () => Promise<DashboardStatus>
  /** Oldest first. */
  readonly samples: (range: SampleRange) => readonly Sample[]
  readonly onError: (error: unknown) => void
}

interface StaticFile {
  readonly type: string
  readonly content: () => Promise<string>
}

const SCRIPT = 'text/javascript; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'

const HEADERS = {
  'Content-Security-Policy': DASHBOARD_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
}

const files: ReadonlyMap<string, StaticFile> = new Map([
  ['/', { type: 'text/html; charset=utf-8', content: () => Promise.resolve(dashboardPage()) }],
  ['/media/dashboard.js', { type: SCRIPT, content: () => media('dashboard.js') }],
  ['/media/dashboard-format.js', { type: SCRIPT, content: () => media('dashboard-format.js') }],
  ['/media/dashboard.css', { type: STYLE, content: () => media('dashboard.css') }],
  ['/media/icon.svg', { type: 'image/svg+xml', content: () => media('icon.svg') }],
  ['/media/uplot.js', { type: SCRIPT, content: () => uplot('uPlot.esm.js') }],
  ['/media/uplot.css', { type: STYLE, content: () => uplot('uPlot.min.css') }],
])

/**
 * The dashboard: a page, its files, and the JSON that it shows. undefined for paths that are not its own.
 *
 * Only requests for this machine's own names, or for an onion address, are answered: no page of another site can reach
 * it by having its own name point here (DNS rebinding).
 */
export function dashboard({ status, samples, onError }: DashboardSource): (path: string) => RequestHandler | undefined {
  const json =
    (value: (request: WebRequest) => unknown): RequestHandler =>
    (request, response, gone) => {
      Promise.resolve(value(request)).then(
        (result) => {
          if (gone.aborted) return
          if (result === undefined) textAnswer(response, 400, 'unknown range', HEADERS)
          else bodyAnswer(response, 200, JSON.stringify(result), { ...HEADERS, 'Content-Type': 'application/json' })
        },
        (error: unknown) => {
          onError(error)
          if (!gone.aborted) textAnswer(response, 500, 'This failed; see the log of the relay.', HEADERS)
        },
      )
    }
  const answers = new Map<string, RequestHandler>([
    ['/data/status', json(() => status())],
    [
      '/data/samples',
      json((request) => {
        const range = rangeOf(request)
        return range && sampleColumns(samples(range))
      }),
    ],
    ...[...files].map(([path, { type, content }]): [string, RequestHandler] => [
      path,
      (_, response, gone) => {
        content().then(
          (text) => {
            if (!gone.aborted) bodyAnswer(response, 200, text, { ...HEADERS, 'Content-Type': type })
          },
          (error: unknown) => {
            onError(error)
            if (!gone.aborted) textAnswer(response, 500, 'This failed; see the log of the relay.', HEADERS)
          },
        )
      },
    ]),
  ])
  return (path) => {
    const answer = answers.get(path)
    return answer && guarded(answer)
  }
}

function guarded(answer: RequestHandler): RequestHandler {
  return (request, response, gone) => {
    if (isOwnHost(request.headers.host)) answer(request, response, gone)
    else textAnswer(response, 403, 'The dashboard answers at 127.0.0.1, localhost and onion addresses only.', HEADERS)
  }
}

/** Whether a Host header names this machine or an onion service. */
export function isOwnHost(host = ''): boolean {
  return /^(?:127\.0\.0\.1|localhost|\[::1\]|[a-z2-7]{56}\.onion)(?::\d+)?$/i.test(host)
}

function rangeOf(request: WebRequest): SampleRange | undefined {
  const { url = '' } = request
  const range = new URLSearchParams(url.slice(pathOf(request).length)).get('range') ?? ''
  return isRange(range) ? range : undefined
}

function isRange(text: string): text is SampleRange {
  return Object.hasOwn(SAMPLE_RANGES, text)
}

function media(name: string): Promise<string> {
  return readFile(new URL(`../media/${name}`, import.meta.url), 'utf8')
}

/** A file of the package, which begins with its licence. */
function uplot(name: string): Promise<string> {
  return readFile(join(dirname(createRequire(import.meta.url).resolve('uplot')), name), 'utf8')
}
