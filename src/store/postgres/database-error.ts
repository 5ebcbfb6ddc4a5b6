import { errorCode } from '../../system/error-code.ts'

interface DatabaseErrorOptions {
  readonly sqlState?: string | undefined
  readonly cause?: unknown
}

/** SQLSTATE of what PostgreSQL says when it ends a connection: the same as losing it. */
const ENDED = /^(57P0[0-5]|08...)$/

/** What PostgreSQL, or the way to it, has refused. Its text may name tables and constraints, never what was stored. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
  /** Five characters; undefined when the connection was lost or never made. */
  readonly sqlState: string | undefined
  /** `ECONNREFUSED` and the like, when the system refused the connection. */
  readonly system: string | undefined

  constructor(message: string, { sqlState, cause }: DatabaseErrorOptions = {}) {
    super(message, { cause })
    this.sqlState = sqlState
    this.system = errorCode(cause)
  }

  static from(error: unknown): DatabaseError {
    if (error instanceof DatabaseError) return error
    const message = error instanceof Error ? error.message : String(error)
    const code = errorCode(error)
    const isSqlState = code !== undefined && /^[0-9A-Z]{5}$/.test(code) && error instanceof Error && 'severity' in error
    return new DatabaseError(message, { cause: error, sqlState: isSqlState && !ENDED.test(code) ? code : undefined })
  }
}

export function isDatabaseError(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError
}
