import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { newDatabase } from '../postgres/database.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

/*
 * Two relays on one database with the same onion key: one of them has the service.
 */

const [first, second] = [new Installation(), new Installation()]

beforeAll(async () => {
  const network = await torNetwork(inject('torNetwork'))
  await buildProgram()
  const { uri } = await newDatabase()
  await first.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1', '--database', uri)
  const extra = join(first.config, 'torrc-extra')
  writeFileSync(extra, `${network.joinTorrc.join('\n')}\n`)
  for (const key of ['store_queues', 'store_messages']) first.set('STORE_LOG', key, 'database')
  first.set('STORE_LOG', 'db_connection', uri)
  const { status, stdout, stderr } = await first.start(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).ended()
  expect(status, stdout + stderr).toBe(0)
  // What docs/scaling.md says: the configuration directory is copied.
  cpSync(first.config, second.config, { recursive: true })
  const ini = readFileSync(second.ini, 'utf8').replaceAll(first.config, second.config)
  writeFileSync(second.ini, ini)
  second.set('TRANSPORT', 'port', String(await freePort()))
}, 180_000)
afterAll(() => Promise.all([first.remove(), second.remove()]))

const start = async (relay: Installation): Promise<RunningCommand> => {
  const started = relay.start(['start'])
  await started.shows(/Listening on port/)
  return started
}

it('when the relay that has the onion service is killed the other one publishes it, and one that comes later waits', async () => {
  const published = /onion service: published/
  const one = await start(first)
  await one.shows(published, 60_000)
  const other = await start(second)
  await other.shows(/onion service: another relay on this database has it/)
  const host = (first.value('TRANSPORT', 'host') ?? '').split(',').find((name) => name.endsWith('.onion'))
  const status = (): unknown => JSON.parse(second.run(['status', '--json']).stdout)
  await expect.poll(status, { timeout: 20_000 }).toMatchObject({ onion: { phase: 'elsewhere', hostname: host } })
  expect(second.run(['tor', 'status']).stdout).toContain('another relay on the same database has the service')

  one.kill('SIGKILL')
  await one.ended()
  await other.shows(published, 60_000)

  const again = await start(first)
  await again.shows(/onion service: another relay on this database has it/)
  expect(again.output.stderr).not.toMatch(published)
  other.kill('SIGTERM')
  expect((await other.ended()).status).toBe(0)
  await again.shows(published, 60_000)
}, 180_000)
