import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '../../system/error-code.ts'
import { DatabaseError } from './database-error.ts'
import type { DatabaseAddress, DatabaseHost } from './connection-string.ts'

/** What a password file says, and why it was not used. */
export interface StoredPassword {
  readonly password?: string
  /** A sentence about a file that others may read: it is ignored, as libpq does. */
  readonly warning?: string
}

/**
 * Looks a password up in the file of `passfile`, `PGPASSFILE` or `~/.pgpass`: lines `host:port:database:user:password`,
 * where `*` stands for anything and a backslash makes `:` and `\` plain. A file that others may read is ignored.
 *
 * @throws DatabaseError for a named file that cannot be read
 */
export async function storedPassword(
  { user, database, parameters }: DatabaseAddress,
  { host, port }: DatabaseHost,
): Promise<StoredPassword> {
  const path = parameters.get('passfile') ?? join(homedir(), '.pgpass')
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0)
      return { warning: `${path} is ignored, because others may read it. Run: chmod 600 ${path}` }
    const wanted = [host.startsWith('/') ? 'localhost' : host, String(port), database, user]
    for (const line of (await readFile(path, 'utf8')).split(/\r?\n/)) {
      const fields = fieldsOf(line)
      if (fields === undefined) continue
      const [password = '', ...names] = fields.toReversed()
      const matches = names.toReversed().every((name, index) => name === '*' || name === wanted[index])
      if (matches) return { password }
    }
    return {}
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && !parameters.has('passfile')) return {}
    throw new DatabaseError(`${path} cannot be read (${errorCode(error) ?? String(error)})`, LOGIN)
  }
}

/** The same as a password that PostgreSQL refuses. */
const LOGIN = { sqlState: '28P01' }

/** The five fields of a line; undefined for comments and whatever else is no entry. */
function fieldsOf(line: string): string[] | undefined {
  if (line.startsWith('#')) return undefined
  const fields = line.match(/(?:\\.|[^:\\])+|(?<=:|^)(?=:|$)/g)?.map((field) => field.replace(/\\(.)/g, '$1'))
  return fields?.length === 5 ? fields : undefined
}
