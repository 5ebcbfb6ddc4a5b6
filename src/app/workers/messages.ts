import * as v from 'valibot'
import type { LogLevel } from '../../config/log.ts'
import type { Settings } from '../../config/settings.ts'
import type { ProcessAnswers, Question } from '../../server/process-answers.ts'
import type { Growth } from '../../server/statistics/growth.ts'
import type { RejectedConnections } from '../../transport/connection-limits.ts'

/*
 * What the primary process and its workers say to each other, as structured clones. Both are the same program, so that
 * only the kind of a message is looked at.
 */

/** What a worker goes by. It does not read the INI file, which may have changed since the others did. */
export interface WorkerSettings {
  /** With the ports that can be opened, and the share of this worker in the limits. */
  readonly settings: Settings
  readonly level: LogLevel
  /** Serve the pages that the primary has written. */
  readonly hasSite: boolean
}

export interface WorkerSetup extends WorkerSettings {
  /** From 1. */
  readonly number: number
  /** Version and commit of the program. */
  readonly program: string
}

/** What has happened in a worker since its last report, and how it is. */
export interface WorkerReport {
  readonly growth: Growth
  readonly wrongPasswords: number
  readonly rejected: RejectedConnections
  /** Microseconds of processor time. */
  readonly cpu: number
  /** Bytes. */
  readonly memory: number
  readonly connections: number
  readonly ports: readonly number[]
}

export interface WorkerFailure {
  readonly code?: string
  readonly message: string
  readonly remedy?: string
}

export type ToWorker =
  | { readonly type: 'setup'; readonly setup: WorkerSetup }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'adapt'; readonly use: WorkerSettings }
  /** Go back to what it had before the last settings. */
  | { readonly type: 'revert' }
  | { readonly type: 'stop' }

export type FromWorker =
  | { readonly type: 'ready'; readonly report: WorkerReport }
  | { readonly type: 'failed'; readonly failure: WorkerFailure }
  | { readonly type: 'report'; readonly report: WorkerReport }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly type: 'adapted'; readonly failure?: WorkerFailure }

const hasType = (types: readonly string[]) => (value: unknown) =>
  typeof value === 'object' && value !== null && 'type' in value && types.includes(String(value.type))

export const toWorker = v.custom<ToWorker>(hasType(['setup', 'ask', 'adapt', 'revert', 'stop']))
export const fromWorker = v.custom<FromWorker>(hasType(['ready', 'failed', 'report', 'answer', 'adapted']))

/** The answer to a question. */
export function answerTo<Q extends Question>(_question: Q, answer: unknown): ProcessAnswers[Q] {
  return v.parse(
    v.custom<ProcessAnswers[Q]>((value) => value !== undefined),
    answer,
  )
}
