import { AppError } from '../../errors/app-error.ts'
import type { DatabaseAddress } from './connection-string.ts'
import { DatabaseError } from './database-error.ts'
import { placeText } from './connection.ts'

/** Puts what PostgreSQL, or the way to it, refused into words for the operator; anything else is left as it is. */
export function operatorError(error: unknown, address: DatabaseAddress): unknown {
  if (!(error instanceof DatabaseError)) return error
  const { user, database, hosts } = address
  const places = hosts.map(placeText).join(' and ')
  const cause = { cause: error }
  switch (error.sqlState) {
    case '28000':
    case '28P01':
      return new AppError(
        'DATABASE_LOGIN',
        `PostgreSQL at ${places} does not let role "${user}" in: ${error.message}.`,
        `Put its password into a file, as a line *:*:${database}:${user}:PASSWORD, run chmod 600 on it, and add passfile=FILE to the connection string.`,
        cause,
      )
    case '3D000':
      return new AppError(
        'DATABASE_MISSING',
        `There is no database "${database}" at ${places}.`,
        `Create it: createdb --owner ${user} ${database}`,
        cause,
      )
    case '25006':
      return new AppError(
        'DATABASE_READ_ONLY',
        `PostgreSQL at ${places} can only be read: ${error.message}.`,
        'Name the primary server in db_connection; with several hosts, separated by commas, the relay finds it.',
        cause,
      )
    case '42501':
      return new AppError(
        'DATABASE_RIGHTS',
        `Role "${user}" may not do that in database "${database}": ${error.message}.`,
        `Make the role its owner: psql -d ${database} -c 'ALTER DATABASE ${database} OWNER TO ${user}'`,
        cause,
      )
    case '53300':
      return new AppError(
        'DATABASE_FULL',
        `PostgreSQL at ${places} takes no more connections: ${error.message}.`,
        'Raise max_connections in postgresql.conf, or the CONNECTION LIMIT of the role or database, and restart PostgreSQL; or lower db_pool_size in [STORE_LOG].',
        cause,
      )
    case '53100':
      return new AppError(
        'DATABASE_DISK',
        `The disk of PostgreSQL at ${places} is full: ${error.message}.`,
        'Free some space on that machine, see: df -h',
        cause,
      )
    case '57014':
      return new AppError(
        'DATABASE_TIMEOUT',
        `PostgreSQL at ${places} did not do in time what the relay needs: ${error.message}.`,
        `Let the role take longer: psql -d ${database} -c 'ALTER ROLE ${user} IN DATABASE ${database} SET statement_timeout = 0'`,
        cause,
      )
    case undefined:
      return connectionError(error, address, places)
    default:
      return new AppError(
        'DATABASE_REFUSED',
        `PostgreSQL at ${places} refused a statement: ${error.message} (SQLSTATE ${error.sqlState}).`,
        undefined,
        cause,
      )
  }
}

function connectionError(error: DatabaseError, { database }: DatabaseAddress, places: string): AppError {
  const cause = { cause: error }
  const isTls =
    /certificate|SSL|TLS|self[- ]signed/i.test(error.message) || /^(CERT|ERR_TLS|DEPTH|UNABLE)/.test(error.system ?? '')
  if (/is not in the cert's|altnames/.test(error.message)) {
    return new AppError(
      'DATABASE_TLS',
      `The certificate of PostgreSQL at ${places} is for another name: ${error.message}.`,
      'Write a host into the connection string that its certificate names; with sslmode=verify-ca any name will do.',
      cause,
    )
  }
  if (isTls) {
    return new AppError(
      'DATABASE_TLS',
      `The TLS connection to PostgreSQL at ${places} failed: ${error.message}.`,
      'Name the certificate of its CA with sslrootcert=FILE in the connection string.',
      cause,
    )
  }
  return new AppError(
    'DATABASE_UNREACHABLE',
    `PostgreSQL at ${places} does not answer (database "${database}"): ${error.message}.`,
    'Start it, for example with `systemctl start postgresql`, or correct db_connection in the INI file.',
    cause,
  )
}
