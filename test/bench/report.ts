/** One number of a run. */
export interface Result {
  readonly measurement: string
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What this relay wants to reach. */
  readonly aim?: { readonly atMost: number } | { readonly atLeast: number }
  /** The same of the other known relay, as far as it is known. */
  readonly other?: string
  readonly note?: string
}

export const reachesAim = ({ value, aim }: Result): boolean | undefined => {
  if (!aim) return undefined
  return 'atMost' in aim ? value <= aim.atMost : value >= aim.atLeast
}

export const number = (value: number): string => {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

const aimText = (result: Result): string => {
  const { aim } = result
  if (!aim) return ''
  const limit = 'atMost' in aim ? `≤ ${aim.atMost}` : `≥ ${aim.atLeast}`
  return `${limit} ${reachesAim(result) ? 'yes' : 'NO'}`
}

/** The line of one result. */
export const lineOf = (result: Result): string => {
  const remarks = [result.other && `other relay ${result.other}`, result.note].filter(Boolean).join('; ')
  const columns = [
    `  ${result.name}`.padEnd(62),
    number(result.value).padStart(10),
    result.unit.padEnd(12),
    aimText(result).padEnd(14),
    remarks,
  ]
  return columns.join(' ').trimEnd()
}

/** What a measurement reports through. */
export interface Report {
  add(result: Omit<Result, 'measurement'>): void
}

/** Prints results as they come, and keeps them. */
export class Reporter {
  readonly results: Result[] = []

  of(measurement: string, title: string): Report {
    console.log(`\n${measurement}: ${title}`)
    return {
      add: (result) => {
        const whole = { measurement, ...result }
        this.results.push(whole)
        console.log(lineOf(whole))
      },
    }
  }
}
