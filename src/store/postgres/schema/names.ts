/** The schemas that a relay works in, quoted for statements. */
export interface SchemaNames {
  /** Upstream's: queues, messages, services, migrations. */
  readonly tables: string
  /** This program's own: which relay pushes what, pending notifications. */
  readonly relays: string
}

/** What upstream, which writes it without quotes, and PostgreSQL both take as it is; a word is added for the other schema. */
export const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,55}$/

export function schemaNames(schema: string): SchemaNames {
  if (!SCHEMA_NAME.test(schema)) throw new RangeError(`"${schema}" is no name of a schema`)
  return { tables: `"${schema}"`, relays: `"${schema}_relays"` }
}
