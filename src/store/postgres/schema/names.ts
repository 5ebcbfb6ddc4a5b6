import { AppError } from '../../../errors/app-error.ts'

/** The schemas that a relay works in, quoted for statements. */
export interface SchemaNames {
  /** Upstream's: queues, messages, services, migrations. */
  readonly tables: string
  /** This program's own: which relay pushes what, pending notifications. */
  readonly relays: string
}

/** What upstream, which writes it without quotes, and PostgreSQL both take as it is; a word is added for the other schema. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,55}$/

/** @throws AppError `DATABASE_SCHEMA_NAME` */
export function schemaNames(schema: string): SchemaNames {
  if (!SCHEMA_NAME.test(schema)) {
    throw new AppError(
      'DATABASE_SCHEMA_NAME',
      `The schema "${schema}" cannot be used: its name has to be of lowercase letters, digits and _, at most 56.`,
      'Change db_schema in [STORE_LOG].',
    )
  }
  return { tables: `"${schema}"`, relays: `"${schema}_relays"` }
}
