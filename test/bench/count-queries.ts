import pg from 'pg'

/** What this process has asked PostgreSQL since it began. */
export interface QueryCounts {
  readonly statements: number
  /** How often it waited for an answer: what is sent while an earlier statement is not answered shares its wait. */
  readonly roundTrips: number
}

let statements = 0
let roundTrips = 0

export const queryCounts = (): QueryCounts => ({ statements, roundTrips })

/** Counts all queries of this process from now on. */
export const countQueries = (): void => {
  const { prototype } = pg.Client
  const query: unknown = Reflect.get(prototype, 'query')
  if (typeof query !== 'function') throw new Error('pg has no query')
  const underWay = new WeakMap<object, number>()
  const counted = function (this: object, ...args: unknown[]): unknown {
    const before = underWay.get(this) ?? 0
    statements++
    if (before === 0) roundTrips++
    underWay.set(this, before + 1)
    const answered = (): void => void underWay.set(this, (underWay.get(this) ?? 1) - 1)
    const result: unknown = Reflect.apply(query, this, args)
    if (result instanceof Promise) result.then(answered, answered)
    return result
  }
  Reflect.set(prototype, 'query', counted)
}
