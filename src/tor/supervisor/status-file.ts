import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as v from 'valibot'
import type { Logger } from '../../config/log.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import type { SupervisorState } from './state.ts'
import type { OnionHostname } from '../../crypto/onion-address.ts'
import { parseOnionHostname } from '../../crypto/onion-address.ts'
import { thisProcess, type ProcessMark } from '../../system/process-mark.ts'

/*
 * What only the running relay knows of its onion service, in a file for `tor status`. It holds no secrets: the onion
 * address is in the server address, and the key is elsewhere.
 */

/** The relay that wrote the file; its start tells it from a later process with the same number. */
export interface StatusWriter extends ProcessMark {
  readonly startedAt: Date
}

export interface StatusRecord {
  readonly relay: StatusWriter
  readonly writtenAt: Date
  readonly state: SupervisorState
}

const time = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => new Date(text)),
)
const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const optional = v.exactOptional

const onionAddress = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): OnionHostname => {
    const hostname = parseOnionHostname(dataset.value)
    if (hostname) return hostname
    addIssue({ message: 'an onion address' })
    return NEVER
  }),
)

const fault = v.object({
  step: v.picklist(['tor', 'connect', 'tls', 'certificate', 'hello', 'ping']),
  code: v.string(),
  message: v.string(),
  remedy: v.string(),
})

const check = v.object({
  at: time,
  host: v.string(),
  port: count,
  via: v.picklist(['client', 'socks', 'direct']),
  steps: v.array(v.object({ name: fault.entries.step, ms: optional(v.number()) })),
  ms: v.number(),
  versions: optional(v.object({ min: count, max: count })),
  fault: optional(fault),
})

const state = v.object({
  phase: v.picklist([
    'stopped',
    'starting',
    'bootstrapping',
    'publishing',
    'published',
    'waiting',
    'watched',
    'elsewhere',
  ]),
  torVersion: optional(v.string()),
  torPid: optional(count),
  bootstrap: optional(
    v.object({
      severity: v.string(),
      progress: count,
      tag: v.string(),
      summary: v.string(),
      warning: optional(v.string()),
    }),
  ),
  networkUp: optional(v.boolean()),
  clockSkew: optional(v.union([v.pipe(v.number(), v.integer()), v.literal('ahead')])),
  publication: optional(
    v.object({ uploads: count, uploaded: count, failed: optional(count), failure: optional(v.string()) }),
  ),
  publishedAt: optional(time),
  uploadedAt: optional(time),
  serviceType: optional(v.picklist(['single-hop', 'anonymous'])),
  figures: optional(
    v.object({ introPoints: count, rendezvous: count, rejected: count, powEffort: count, powQueue: count }),
  ),
  contestedAt: optional(time),
  hostname: optional(onionAddress),
  nextHostname: optional(onionAddress),
  confirmedAt: optional(time),
  restarts: count,
  check: optional(v.object({ last: check, failures: count, nextAt: time })),
  lastError: optional(v.object({ at: time, code: v.string(), message: v.string(), remedy: optional(v.string()) })),
})

const record = v.object({
  relay: v.object({ pid: count, processStart: optional(v.string()), startedAt: time }),
  writtenAt: time,
  state,
})

/** `undefined` when there is none, or one that this version cannot read. */
export async function readStatusFile(path: string): Promise<StatusRecord | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  return parseStatus(text)
}

export function parseStatus(text: string): StatusRecord | undefined {
  try {
    const result = v.safeParse(record, JSON.parse(text))
    return result.success ? result.output : undefined
  } catch {
    return undefined
  }
}

/** A state that went through JSON. */
export function parseState(value: unknown): SupervisorState | undefined {
  const result = v.safeParse(state, value)
  return result.success ? result.output : undefined
}

/** Writes each state, at most a few times a second; when writing fails the relay goes on. */
export class StatusFile {
  readonly #path: string
  readonly #log: Logger
  readonly #relay: StatusWriter
  readonly #pauseMs: number
  #next: SupervisorState | undefined
  #writing: Promise<void> | undefined
  #isMade = false
  #isClosing = false
  #hurry: (() => void) | undefined

  constructor(path: string, log: Logger, pauseMs = 200) {
    this.#path = path
    this.#log = log
    this.#pauseMs = pauseMs
    this.#relay = { ...thisProcess(), startedAt: new Date(Date.now() - process.uptime() * 1000) }
  }

  write(next: SupervisorState): void {
    this.#next = next
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined))
  }

  /** Resolves when the last state is in the file. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#hurry?.()
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    while (this.#next) {
      const status: StatusRecord = { relay: this.#relay, writtenAt: new Date(), state: this.#next }
      this.#next = undefined
      try {
        // Once only: a directory that was removed with the onion service is not created again.
        if (!this.#isMade) await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
        this.#isMade = true
        const text = `${JSON.stringify(status, undefined, 2)}\n`
        await writeDurably(this.#path, text, { mode: 0o600, ifExists: 'replace' })
      } catch (error) {
        this.#log.debug('onion service: its status could not be written', { error })
      }
      if (!this.#isClosing) await this.#pause()
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#hurry = resolve
      setTimeout(resolve, this.#pauseMs).unref()
    })
  }
}
