import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * What an operator is told when the message store is damaged, missing, disabled, in use, or half imported.
 */

const sample = join(import.meta.dirname, '../samples/upstream')
const queueFiles = ['smp-server-store.log', 'smp-server-messages.log', 'smp-server-ntfs.log']

beforeAll(buildProgram)
let relay: Installation
let store: string
let data: string
beforeEach(() => {
  relay = new Installation()
  store = join(relay.state, 'smp-server-store')
  data = join(store, 'data.mdb')
  relay.run(['init', '-y', '-n', 'a.example', '--disable-web'])
  let ini = readFileSync(relay.ini, 'utf8')
  ini = setIniValue(ini, 'STORE_LOG', 'expire_messages_days', '36500')
  writeFileSync(relay.ini, setIniValue(ini, 'STORE_LOG', 'expire_ntfs_hours', '876000'))
  for (const name of queueFiles) cpSync(join(sample, name), join(relay.state, name))
})
afterEach(() => relay.remove())

const start = (...args: string[]): ReturnType<Installation['run']> => relay.run(['start', '--maintenance', ...args])

/** Every command that opens the store refuses with these words, and changes nothing. */
function everyoneRefuses(words: RegExp): void {
  const words1 = join(relay.root, 'words')
  writeFileSync(words1, 'four words at random\n')
  for (const args of [
    ['start', '--maintenance'],
    ['store', 'export'],
    ['backup', join(relay.root, 'b.age'), '--passphrase-file', words1],
  ]) {
    const { status, stdout } = relay.run(args)
    expect([args[0], status, stdout]).toEqual([args[0], 1, expect.stringMatching(words)])
    expect(existsSync(join(relay.root, 'b.age'))).toBe(false)
  }
}

describe('a damaged message store', () => {
  it('is named as such by every command, with what to do', () => {
    expect(start().status).toBe(0)
    truncateSync(data, 3 * 4096)
    everyoneRefuses(
      /The message store \S+ is damaged: data\.mdb is cut off at 12288 bytes; [^]*smp-server restore FILE/,
    )
    expect(statSync(data).size).toBe(3 * 4096)
  })

  it('is repaired on request, and then served', () => {
    expect(start().status).toBe(0)
    expect(relay.run(['store', 'check']).stdout).toMatch(/is sound: 7 queues, \d+ messages and 1 notifications\.\n$/)
    const bytes = readFileSync(data)
    const leaf = [...Array(bytes.length / 4096).keys()].findLast(
      (page) => page > 1 && bytes.readUInt32LE(page * 4096) === page && bytes[page * 4096 + 18] === 2,
    )
    bytes.fill(0, (leaf ?? 0) * 4096, ((leaf ?? 0) + 1) * 4096)
    writeFileSync(data, bytes)
    const checked = relay.run(['store', 'check'])
    if (checked.status === 0) return
    expect(checked.stdout).toMatch(/- page \d+ of data\.mdb holds zeros only\n[^]*is damaged\.\n[^]*--repair/)
    const repaired = relay.run(['store', 'check', '--repair'])
    expect([repaired.status, repaired.stdout]).toEqual([0, expect.stringMatching(/Saved: \d queues, /)])
    expect(readdirSync(relay.state).some((name) => name.startsWith('smp-server-store.damaged.'))).toBe(true)
    expect(start().status).toBe(0)
    expect(relay.run(['store', 'check']).status).toBe(0)
  })
})

describe('a message store that is gone', () => {
  it('is missed by every command, and nothing is begun in its place', () => {
    expect(start().status).toBe(0)
    rmSync(store, { recursive: true })
    everyoneRefuses(/The message store \S+ is missing or empty, but \S+\.log says that it holds queues\./)
    expect(existsSync(store)).toBe(false)
    // The notice is what says so.
    rmSync(join(relay.state, 'smp-server-store.log'))
    expect(start().status).toBe(0)
  })

  it('is missed when its file is empty', () => {
    expect(start().status).toBe(0)
    truncateSync(data, 0)
    everyoneRefuses(/is missing or empty/)
  })
})

describe('a message store with queues that the settings do not use', () => {
  it('keeps the relay from starting, and the line is shown', () => {
    expect(start().status).toBe(0)
    const ini = readFileSync(relay.ini, 'utf8')
    writeFileSync(relay.ini, setIniValue(ini, 'STORE_LOG', 'enable', 'off'))
    let { status, stdout } = start()
    const line = readFileSync(relay.ini, 'utf8')
      .split('\n')
      .findIndex((text) => text === 'enable = off')
    expect([status, stdout]).toEqual([
      1,
      expect.stringContaining(`contains 7 queues, but enable in [STORE_LOG] is off (${relay.ini}:${line + 1}).`),
    ])

    // A lost header: the key is in another section.
    writeFileSync(
      relay.ini,
      '[INFORMATION]\nsource_code: https://example.org/s\nenable: on\n[TRANSPORT]\nhost: a.example\nport: 7301\nwebsockets: off\n',
    )
    ;({ status, stdout } = start())
    expect([status, stdout]).toEqual([
      1,
      expect.stringContaining(`${relay.ini}:3: enable in [INFORMATION] is ignored: enable belongs in [STORE_LOG].`),
    ])
  })
})

describe('an import that was interrupted', () => {
  it('is started again with one sentence and the true sums', () => {
    const messages = join(relay.state, 'smp-server-messages.log')
    const whole = readFileSync(messages, 'latin1').trimEnd().split('\n').length
    truncateSync(messages, statSync(messages).size - 20)
    const refused = start()
    expect([refused.status, refused.stdout]).toEqual([1, expect.stringContaining('--skip-warnings')])
    const { status, stderr } = start('--skip-warnings')
    expect(status).toBe(0)
    expect(stderr).toContain('An earlier import was interrupted; starting it again.')
    expect(stderr).not.toContain('duplicate')
    expect(stderr).toMatch(new RegExp(`messages stored: ${whole - 1}, expired: 0, queues: 7\\n`))
    expect(relay.run(['store', 'check']).status).toBe(0)
  })
})
