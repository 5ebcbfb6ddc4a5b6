import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
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

describe('a state directory of this relay', () => {
  const seedUnit = (log: string): string => `[ -e "${log}" ] && cp "${log}" "${log}.bak"`

  it('has a store log for the ExecStopPost of the hosting guide, which is empty and never imported', () => {
    for (const name of queueFiles) rmSync(join(relay.state, name))
    relay.run(['start', '--maintenance'])
    const log = join(relay.state, 'smp-server-store.log')
    const post = spawnSync('/usr/bin/env', ['sh', '-c', seedUnit(log)], { encoding: 'utf8' })
    expect([post.status, post.stderr]).toEqual([0, ''])
    expect(readFileSync(`${log}.bak`)).toEqual(readFileSync(log))

    const { status, stderr } = relay.run(['start', '--maintenance'])
    expect([status, stderr.includes('Importing')]).toEqual([0, false])
    expect(readdirSync(relay.state).toSorted()).toEqual([
      'smp-server-store',
      'smp-server-store.log',
      'smp-server-store.log.bak',
    ])
  })
})

describe('a state directory of upstream', () => {
  it('is imported from a server that was killed: its queues, but not the messages that it had loaded', () => {
    const log = join(relay.state, 'smp-server-store.log')
    renameSync(log, `${log}.2026-11-22T22:27:32.622879601Z`)
    cpSync(join(sample, 'compacted/smp-server-store.log'), log)
    for (const name of queueFiles.slice(1)) renameSync(join(relay.state, name), join(relay.state, `${name}.bak`))
    const { status, stderr } = relay.run(['start', '--maintenance'])
    expect([status, stderr]).toEqual([0, expect.stringContaining('messages stored: 0, expired: 0, queues: 7')])
  })

  it('is imported at start, and its files are kept under other names', () => {
    const { status, stderr } = relay.run(['start', '--maintenance'])
    expect(status).toBe(0)
    expect(stderr).toMatch(/messages stored: \d+, expired: \d+, queues: 7\n/)
    for (const name of queueFiles.slice(1)) expect(existsSync(join(relay.state, name))).toBe(false)
    expect(lines(join(relay.state, 'smp-server-store.log'))).toEqual([expect.stringMatching(/^# .*store export$/)])
    const names = readdirSync(relay.state)
    expect(names).toEqual(expect.arrayContaining(['smp-server-messages.log.bak', 'smp-server-ntfs.log.bak']))
    expect(names.some((name) => /^smp-server-store\.log\.\d{4}-.*Z$/.test(name))).toBe(true)
  })

  it('is exported with every message, and imported again after that', () => {
    relay.run(['start', '--maintenance'])
    const { status, stdout } = relay.run(['store', 'export'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Exported 7 queues, \d+ messages and \d+ notifications/)
    const messages = lines(join(relay.state, 'smp-server-messages.log'))
    expect(messages.toSorted()).toEqual(lines(join(sample, 'smp-server-messages.log')).toSorted())
    const queues = lines(join(relay.state, 'smp-server-store.log'))
    expect(queues.toSorted()).toEqual(lines(join(sample, 'compacted/smp-server-store.log')).toSorted())
    const notifications = lines(join(relay.state, 'smp-server-ntfs.log'))
    expect(notifications).toEqual(lines(join(sample, 'smp-server-ntfs.log')))
    expect(existsSync(join(relay.state, 'smp-server-store'))).toBe(false)

    const again = relay.run(['start', '--maintenance'])
    expect(again.status).toBe(0)
    expect(again.stderr).toMatch(new RegExp(`messages stored: ${messages.length}, expired: 0, queues: 7\\n`))
  })

  it('with a journal is imported with every undelivered message, and exported as files', () => {
    for (const name of queueFiles) rmSync(join(relay.state, name))
    cpSync(join(sample, 'journal'), relay.state, { recursive: true })
    const ini = setIniValue(readFileSync(relay.ini, 'utf8'), 'STORE_LOG', 'store_messages', 'journal')
    writeFileSync(relay.ini, ini)
    const { status, stderr } = relay.run(['start', '--maintenance'])
    expect([status, stderr]).toEqual([0, expect.stringContaining('messages stored: 134, expired: 0, queues: 7')])
    expect(readdirSync(relay.state).filter((name) => /^messages(\.\d{4}-.*Z)?$/.test(name))).toHaveLength(1)

    relay.run(['store', 'export'])
    const journal = readdirSync(join(sample, 'journal/messages'), { recursive: true, withFileTypes: true })
    const written = journal
      .filter(({ name }) => name.startsWith('messages.'))
      .flatMap(({ parentPath, name }) => {
        const queue = parentPath.slice(join(sample, 'journal/messages').length).replaceAll('/', '')
        return lines(join(parentPath, name)).map((line) => `v3 ${queue} ${line}`)
      })
    expect(lines(join(relay.state, 'smp-server-messages.log')).toSorted()).toEqual(written.toSorted())
  })

  it('is never overwritten: an export beside such files is refused, and the store stays', () => {
    relay.run(['start', '--maintenance'])
    cpSync(join(sample, 'smp-server-store.log'), join(relay.state, 'smp-server-store.log'))
    const { status, stdout } = relay.run(['store', 'export'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/smp-server-store\.log exists already/)
    expect(existsSync(join(relay.state, 'smp-server-store'))).toBe(true)
  })
})
