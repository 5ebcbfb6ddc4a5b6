import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { openPostgresStore } from '../../../src/store/postgres.ts'
import { temporaryPostgres, type PostgresServer } from '../../postgres/server.ts'

/*
 * A PostgreSQL that only lets in who has a password and TLS, as on another machine. Its certificate is for the first of its
 * two addresses.
 */

const directory = mkdtempSync(join(tmpdir(), 'smp-pg-tls-'))
const file = (name: string): string => join(directory, name)
const octet = (): number => 1 + Math.floor(Math.random() * 250)
const [certified, other] = [`127.${octet()}.${octet()}.2`, `127.${octet()}.${octet()}.3`]

let server: PostgresServer

const openssl = (command: string): void => {
  execFileSync('openssl', command.split(' '), { stdio: 'ignore' })
}
const passfile = (name: string, password: string, mode = 0o600): string => {
  writeFileSync(file(name), `*:*:relays:smp:${password}\n`)
  chmodSync(file(name), mode)
  return file(name)
}

beforeAll(async () => {
  for (const ca of ['ca', 'wrong']) {
    openssl(
      `req -x509 -newkey ed25519 -nodes -days 30 -subj /CN=${ca} -keyout ${file(`${ca}.key`)} -out ${file(`${ca}.crt`)}`,
    )
  }
  openssl(`req -newkey ed25519 -nodes -subj /CN=db -keyout ${file('db.key')} -out ${file('db.csr')}`)
  writeFileSync(file('names'), `subjectAltName=IP:${certified}\n`)
  openssl(
    `x509 -req -in ${file('db.csr')} -CA ${file('ca.crt')} -CAkey ${file('ca.key')} -days 30 -extfile ${file('names')} -out ${file('db.crt')}`,
  )
  chmodSync(directory, 0o755)
  if (process.getuid?.() === 0) execFileSync('chown', ['postgres:', file('db.key')])
  server = await temporaryPostgres({
    settings: [
      `listen_addresses = '${certified},${other}'`,
      'ssl = on',
      `ssl_cert_file = '${file('db.crt')}'`,
      `ssl_key_file = '${file('db.key')}'`,
    ],
    access: ['local all all trust', 'hostssl all all 127.0.0.0/8 scram-sha-256'],
  })
  await server.query("CREATE ROLE smp LOGIN PASSWORD 'the right one'")
  await server.query('CREATE DATABASE relays OWNER smp')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await server.remove()
  rmSync(directory, { recursive: true })
})

/** What an operator is told when a relay opens the store with this connection string; nothing when it can. */
const attempt = async (connection: string, migrate?: 'up'): Promise<string> => {
  const said: string[] = []
  try {
    const store = await openPostgresStore({
      connection,
      schema: 'smp_server',
      poolSize: 1,
      quota: 128,
      fingerprint: 'own',
      migrate,
      onWarning: (sentence) => said.push(sentence),
    })
    await store.close()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    said.push(error.message, error.remedy ?? '')
  }
  return said.join('\n')
}

const tcp = (host: string, parameters: Readonly<Record<string, string>>): string =>
  `postgresql://smp@${host}/relays?${Object.entries(parameters)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')}`

it('a password comes from passfile, PGPASSFILE or ~/.pgpass, and a wrong or missing one is said without showing it', async () => {
  const tls = { sslmode: 'verify-full', sslrootcert: file('ca.crt') }
  const right = passfile('right', 'the right one')
  expect(await attempt(tcp(certified, { ...tls, passfile: right }), 'up')).toBe('')
  const wrong = await attempt(tcp(certified, { ...tls, passfile: passfile('wrong', 'a wrong one') }))
  expect(wrong).toMatch(/does not let role "smp" in: password authentication failed.*\n.*passfile=FILE/)
  expect(wrong).not.toContain('a wrong one')
  expect(await attempt(tcp(certified, tls))).toMatch(/does not let role "smp" in[^]*passfile=FILE/)
  const open = passfile('open', 'the right one', 0o644)
  expect(await attempt(tcp(certified, { ...tls, passfile: open }))).toMatch(/open is ignored, because others may read/)
  expect(await attempt(tcp(certified, { ...tls, passfile: file('missing') }))).toMatch(
    /does not let role "smp" in: .*missing cannot be read/,
  )
  vi.stubEnv('PGPASSFILE', right)
  expect(await attempt(tcp(certified, tls))).toBe('')
  vi.unstubAllEnvs()
  vi.stubEnv('HOME', directory)
  passfile('.pgpass', 'the right one')
  expect(await attempt(tcp(certified, tls))).toBe('')
})

it('TLS is verified as sslmode says: by another CA or under another name PostgreSQL is refused', async () => {
  const ca = { sslrootcert: file('ca.crt') }
  const wrong = { sslrootcert: file('wrong.crt') }
  expect(await attempt(tcp(certified, { sslmode: 'verify-full', ...wrong }))).toMatch(/TLS[^]*sslrootcert=FILE/)
  expect(await attempt(tcp(certified, { sslmode: 'verify-ca', ...wrong }))).toMatch(/TLS[^]*sslrootcert=FILE/)
  expect(await attempt(tcp(certified, { sslmode: 'verify-full' }))).toMatch(/TLS[^]*sslrootcert=FILE/)
  expect(await attempt(tcp(other, { sslmode: 'verify-full', ...ca }))).toMatch(
    /is for another name: .*\n.*that its certificate names/,
  )
  expect(await attempt(tcp(other, { sslmode: 'verify-ca', ...ca }))).toBe('')
  expect(await attempt(tcp(certified, { sslmode: 'require' }))).toBe('')
  expect(await attempt(tcp(certified, { sslmode: 'disable' }))).toMatch(/no encryption/)
  expect(await attempt(tcp(certified, { sslmode: 'verify-full', sslrootcert: file('none') }))).toMatch(
    /none cannot be read/,
  )
})

it('databases of any encoding are used, since nothing but ASCII and bytes is stored', async () => {
  for (const encoding of ['LATIN1', 'SQL_ASCII']) {
    const name = encoding.toLowerCase()
    await server.query(`CREATE DATABASE ${name} OWNER smp ENCODING '${encoding}' TEMPLATE template0`)
    expect(await attempt(server.uri(name, 'smp'), 'up')).toBe('')
    expect(await attempt(server.uri(name, 'smp'))).toBe('')
  }
})

it('a statement that takes longer than the role may is said with what to do', async () => {
  const holder = new Client({ host: server.directory, user: 'postgres', database: 'relays' })
  await holder.connect()
  await holder.query('BEGIN; LOCK smp_server.migrations')
  await server.query("ALTER ROLE smp SET statement_timeout = '200ms'")
  expect(await attempt(server.uri('relays', 'smp'))).toMatch(
    /did not do in time.*statement timeout.*\n.*ALTER ROLE smp IN DATABASE relays SET statement_timeout/,
  )
  await server.query('ALTER ROLE smp RESET statement_timeout')
  await holder.end()
  expect(await attempt(server.uri('relays', 'smp'))).toBe('')
})

/** Does something through a socket where what PostgreSQL says is changed, or left out. */
const throughProxy = async (
  change: (message: Buffer) => Buffer | undefined,
  act: (connection: string) => Promise<void>,
): Promise<void> => {
  const directory = mkdtempSync(file('proxy-'))
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const postgres = connect(join(server.directory, '.s.PGSQL.5432'))
    for (const socket of [client, postgres]) sockets.add(socket.on('error', () => undefined))
    client.pipe(postgres)
    let rest: Buffer = Buffer.alloc(0)
    postgres.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data])
      // A message is its type and its length, which counts itself.
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const size = 1 + rest.readUInt32BE(1)
        const changed = change(rest.subarray(0, size))
        if (changed) client.write(changed)
        rest = rest.subarray(size)
      }
    })
  })
  await new Promise<void>((resolve) => proxy.listen(join(directory, '.s.PGSQL.5432'), resolve))
  try {
    await act(`postgresql://smp@/relays?host=${encodeURIComponent(directory)}`)
  } finally {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  }
}

it('a PostgreSQL before 14 is refused with the version that is needed', async () => {
  const older = (message: Buffer): Buffer =>
    Buffer.from(message.toString('latin1').replace(/1[4-9]0\d{3}$/, '130021'), 'latin1')
  await throughProxy(older, async (connection) => {
    expect(await attempt(connection)).toMatch(/PostgreSQL 13 is too old: version 14 or later is needed/)
  })
})

it('a pooler that does not pass on what NOTIFY says, as PgBouncer that pools transactions, is refused', async () => {
  const withoutNotifications = (message: Buffer): Buffer | undefined =>
    message.toString('latin1', 0, 1) === 'A' ? undefined : message
  await throughProxy(withoutNotifications, async (connection) => {
    expect(await attempt(connection)).toMatch(/relays would not hear each other.*\nSet pool_mode = session/)
  })
  await throughProxy(
    (message) => message,
    async (connection) => expect(await attempt(connection)).toBe(''),
  )
})
