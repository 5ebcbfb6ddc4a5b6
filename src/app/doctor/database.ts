import type { DatabaseSettings } from '../../config/settings.ts'
import type { DatabaseFacts } from '../../store/postgres/look.ts'
import type { Finding } from './finding.ts'

/** More is no rounding, and messages would expire early or late. */
const MAX_CLOCK_MS = 60_000

/**
 * Whether PostgreSQL answers, and this relay can use what is there. Only here its client is loaded.
 *
 * @throws AppError `DATABASE_…`
 */
export async function databaseFinding(
  { connection, schema }: DatabaseSettings,
  fingerprint: string,
): Promise<Omit<Finding, 'check'>> {
  const { inspectDatabase } = await import('../../store/postgres.ts')
  return findingOf(await inspectDatabase({ connection, schema, fingerprint }), schema)
}

/** What is known of a database that answers, in words. */
export function findingOf(
  { place, version, answerMs, clockAheadMs, user, closedTables }: DatabaseFacts,
  schema: string,
): Omit<Finding, 'check'> {
  const [table] = closedTables
  if (table !== undefined) {
    const schemas = [...new Set(closedTables.map((name) => `"${name.slice(0, name.indexOf('.'))}"`))]
    const more = closedTables.length > 1 ? ` and ${closedTables.length - 1} more tables` : ''
    return {
      level: 'fail',
      text: `Role "${user}" may not read and write ${table}${more} in PostgreSQL at ${place}.`,
      remedy: `Give it the rights, as a superuser of that database: \`GRANT ALL ON ALL TABLES IN SCHEMA ${schemas.join(', ')} TO "${user}"\``,
    }
  }
  if (Math.abs(clockAheadMs) > MAX_CLOCK_MS) {
    const seconds = Math.round(Math.abs(clockAheadMs) / 1000)
    return {
      level: 'warn',
      text: `The clock of PostgreSQL at ${place} is ${seconds} seconds ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this machine.`,
      remedy: 'Let both machines set their clocks: `timedatectl set-ntp true`',
    }
  }
  const text = `PostgreSQL ${version} at ${place} answers in ${answerMs} ms, and schema ${schema} can be used.`
  return { level: 'ok', text }
}
