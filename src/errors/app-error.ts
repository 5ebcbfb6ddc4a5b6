/**
 * A fault that the operator can mend: one sentence that says what is wrong and where, and one that says what to do.
 * The command line prints both to stdout without a stack and exits with 1. What a client did wrong is never an
 * `AppError` (it is a value of the protocol), and a bug is an ordinary `Error`.
 */
export class AppError extends Error {
  override readonly name = 'AppError'
  /** Stable and short, for tests and for telling faults apart, e.g. `INI_VALUE`, `PORT_IN_USE`. */
  readonly code: string
  readonly remedy: string | undefined

  constructor(code: string, message: string, remedy?: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}
