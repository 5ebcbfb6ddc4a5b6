import { AppError } from '../../errors/app-error.ts'
import { Refusal } from '../../errors/refusal.ts'
import { systemError } from '../../errors/system-error.ts'

/** `warn`: the relay works, and something needs the operator. `fail`: users are not served, or soon will not be. */
export type Level = 'ok' | 'warn' | 'fail'

/** What one check found. */
export interface Finding {
  /** A word or two: what was looked at. */
  readonly check: string
  readonly level: Level
  /** Sentences. */
  readonly text: string
  readonly remedy?: string | undefined
  readonly repair?: Repair
}

/** What `doctor --fix` can do about a finding. */
export interface Repair {
  /** Nothing can be lost by it, so nobody is asked. */
  readonly isSafe: boolean
  /** What is done, as an infinitive: `remove FILE`. */
  readonly what: string
  apply(): Promise<void>
}

/** A finding from an error that an existing check throws. */
export function faultFinding(check: string, level: Level, error: unknown): Finding {
  if (error instanceof Refusal) {
    const [first = '', ...others] = error.lines.filter((line) => !/^-+$/.test(line))
    return { check, level, text: first.replace(/^Error: /, ''), remedy: others.join(' ') || undefined }
  }
  const known = error instanceof AppError ? error : systemError(error)
  if (known) return { check, level, text: known.message, remedy: known.remedy }
  return { check, level, text: error instanceof Error ? error.message : String(error) }
}

/** `ok` with a text, unless the check throws. */
export async function checked(
  check: string,
  work: () => Promise<Omit<Finding, 'check'>> | Omit<Finding, 'check'>,
): Promise<Finding> {
  try {
    return { check, ...(await work()) }
  } catch (error) {
    return faultFinding(check, 'fail', error)
  }
}

export function worstLevel(findings: readonly Finding[]): Level {
  const has = (level: Level): boolean => findings.some((finding) => finding.level === level)
  return has('fail') ? 'fail' : has('warn') ? 'warn' : 'ok'
}
