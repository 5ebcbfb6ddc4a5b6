import type { ErrorCode } from './codes.ts'

/**
 * A fault that the operator can fix: one sentence that says what is wrong and where, and one that says what to do.
 * The command line prints both to stdout without a stack and exits with 1. What a client did wrong is never an
 * `AppError` (it is a value of the protocol), and a bug is an ordinary `Error`.
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  /** Of the list in codes.ts, where its cause and cure stand. */
  readonly code: ErrorCode
  readonly remedy: string | undefined

  constructor(code: ErrorCode, message: string, remedy?: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}
