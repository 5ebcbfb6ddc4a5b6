import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { silentLogger } from '../../../src/config/log.ts'
import { resolvePaths } from '../../../src/config/paths.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import { openStore } from '../../../src/store/open-store.ts'
import type { EmbeddedStore } from '../../../src/store/work.ts'
import { aMessage, aNotification, aNotifier, aQueue, notifierId, rcvId } from '../../contract/store/fixtures.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'smp-open-store-'))
  mkdirSync(join(directory, 'state'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const open = async (restoreMessages: 'on' | 'off', notes: string[] = []): Promise<EmbeddedStore> => {
  const ini = `[STORE_LOG]\nenable = on\nrestore_messages = ${restoreMessages}\n[TRANSPORT]\nhost = a.example\nport = 5223\n`
  const read = readSettings(ini, 'smp-server.ini')
  if (!('settings' in read)) throw new Error(JSON.stringify(read))
  const paths = resolvePaths({
    SMP_SERVER_CFG_PATH: join(directory, 'config'),
    SMP_SERVER_LOG_PATH: join(directory, 'state'),
  })
  const log = { ...silentLogger, note: (text: string) => notes.push(text) }
  const options = { settings: read.settings.store, paths, log, fingerprint: '', now: () => new Date(1_700_000_100_000) }
  const store = await openStore(options, () => undefined)
  if (store.loads) throw new Error('this is not the embedded store')
  return store
}

it('with restore_messages off messages and notifications end with a restart, and queues stay', async () => {
  const first = await open('off')
  first.addQueue(aQueue(1, { notifier: aNotifier(1) }))
  for (const n of [1, 2, 3]) first.writeMessage(rcvId(1), aMessage(n))
  first.addNotification(notifierId(1), aNotification(1))
  await first.close()
  const notes: string[] = []
  const second = await open('off', notes)
  expect(second.counts()).toMatchObject({ queues: 1, messages: 0, notifications: 0 })
  expect(notes).toContain('restore_messages is off: 3 undelivered messages of the last run were dropped')
  await second.close()
})

it('with restore_messages on messages and notifications are there after a restart', async () => {
  const first = await open('on')
  first.addQueue(aQueue(1, { notifier: aNotifier(1) }))
  first.writeMessage(rcvId(1), aMessage(1))
  first.addNotification(notifierId(1), aNotification(1))
  await first.close()
  const second = await open('on')
  expect(second.counts()).toMatchObject({ queues: 1, messages: 1, notifications: 1 })
  await second.close()
})
