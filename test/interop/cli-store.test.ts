import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * Switching from another SMP server and back, with the files that one really wrote.
 */

const sample = join(import.meta.dirname, '../samples/upstream')
const queueFiles = ['smp-server-store.log', 'smp-server-messages.log', 'smp-server-ntfs.log']

beforeAll(buildProgram)
let relay: Installation
beforeEach(() => {
  relay = new Installation()
  relay.run(['init', '-y', '-n', 'a.example', '--disable-web'])
  // The sample grows older; what it holds must not expire.
  let ini = readFileSync(relay.ini, 'utf8')
  ini = setIniValue(ini, 'STORE_LOG', 'expire_messages_days', '36500')
  writeFileSync(relay.ini, setIniValue(ini, 'STORE_LOG', 'expire_ntfs_hours', '876000'))
  for (const name of queueFiles) cpSync(join(sample, name), join(relay.state, name))
})
afterEach(() => relay.remove())

const lines = (path: string): string[] => readFileSync(path, 'utf8').trim().split('\n')

describe('a state directory of another SMP server', () => {
  test('is taken over at start, and its files are kept under other names', () => {
    const { status, stderr } = relay.run(['start', '--maintenance'])
    expect(status).toBe(0)
    expect(stderr).toMatch(/messages stored: \d+, expired: \d+, queues: 7\n/)
    for (const name of queueFiles) expect(existsSync(join(relay.state, name))).toBe(false)
    const names = readdirSync(relay.state)
    expect(names).toEqual(expect.arrayContaining(['smp-server-messages.log.bak', 'smp-server-ntfs.log.bak']))
    expect(names.some((name) => /^smp-server-store\.log\.\d{4}-.*Z$/.test(name))).toBe(true)
  })

  test('comes back with every message when it is exported, and is taken over again after that', () => {
    relay.run(['start', '--maintenance'])
    const { status, stdout } = relay.run(['store', 'export'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Exported: 7 queues, \d+ messages, \d+ notifications/)
    const messages = lines(join(relay.state, 'smp-server-messages.log'))
    expect(messages.toSorted()).toEqual(lines(join(sample, 'smp-server-messages.log')).toSorted())
    expect(existsSync(join(relay.state, 'smp-server-store'))).toBe(false)

    const again = relay.run(['start', '--maintenance'])
    expect(again.status).toBe(0)
    expect(again.stderr).toMatch(new RegExp(`messages stored: ${messages.length}, expired: 0, queues: 7\\n`))
  })

  test('is not written over: an export beside such files is refused, and the store stays', () => {
    relay.run(['start', '--maintenance'])
    cpSync(join(sample, 'smp-server-store.log'), join(relay.state, 'smp-server-store.log'))
    const { status, stdout } = relay.run(['store', 'export'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/smp-server-store\.log exists already/)
    expect(existsSync(join(relay.state, 'smp-server-store'))).toBe(true)
  })
})
