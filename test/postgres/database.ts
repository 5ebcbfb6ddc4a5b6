import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inject } from 'vitest'
import { PostgresServer } from './server.ts'

/** The server that all test files of a run share, started by the first that asks. */
export async function sharedPostgres(): Promise<PostgresServer> {
  const place = inject('postgres')
  const outcome = join(place.directory, 'outcome')
  if (await isFirst(join(place.directory, 'begun'))) {
    const text = await PostgresServer.create(place).then(() => 'started', String)
    await writeFile(outcome, `${text}\n`)
  }
  for (;;) {
    const text = await readFile(outcome, 'utf8').catch(() => '')
    if (text === 'started\n') return PostgresServer.at(place)
    if (text.endsWith('\n')) throw new Error(text)
    await sleep(50)
  }
}

/** A new, empty database on the shared server, or on another one: its connection string, for a role that owns it and is no superuser. */
export async function newDatabase(
  own?: PostgresServer,
): Promise<{ server: PostgresServer; name: string; uri: string }> {
  const server = own ?? (await sharedPostgres())
  return { server, ...(await server.createDatabase()) }
}

async function isFirst(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch {
    return false
  }
}
