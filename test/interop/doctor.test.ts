import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'
import { projectRoot } from '../project-root.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * `smp-server doctor` on a relay that is brought into one wrong state after the other. What it finds in the machine
 * itself differs, so a test looks only for what it has done.
 */

const relay = new Installation()

beforeAll(async () => {
  await buildProgram()
  await relay.initialize('--no-password', '--ip', '127.0.0.1')
  relay.set('WEB', 'https', '')
  relay.set('TRANSPORT', 'host', '127.0.0.1')
})
afterAll(() => relay.remove())

interface Found {
  readonly check: string
  readonly level: string
  readonly text: string
  readonly remedy: string | null
}

/** What is not OK, as `LEVEL check: text | remedy`. */
function doctor(...options: string[]): { readonly status: number | null; readonly found: string } {
  const { status, stdout } = relay.run(['doctor', '--json', ...options])
  const { findings } = JSON.parse(stdout) as { findings: Found[] }
  const shown = findings.filter(({ level }) => level !== 'ok')
  return {
    status,
    found: shown.map(({ check, level, text, remedy }) => `${level} ${check}: ${text} | ${remedy ?? ''}`).join('\n'),
  }
}

it('a new relay has no FAIL, and is told what to do next', () => {
  const { status, stdout } = relay.run(['doctor'])
  expect(stdout).toContain('OK   permissions: ')
  expect(stdout).toMatch(/WARN ca\.key: .*\n {5}Copy it to a safe place/)
  expect(stdout).toMatch(/WARN backup: No backup of this relay is known\.\n {5}Make one: `smp-server backup FILE`/)
  expect(stdout).toMatch(/\d+ OK, \d+ WARN, 0 FAIL\.\n$/)
  expect(status).toBe(0)
})

describe('a wrong state of files', () => {
  const key = join(relay.config, 'server.key')
  const leftover = join(relay.state, 'messages.2026-01-01T00:00:00Z')

  it('that is safe to repair is repaired by --fix, and everything else stays', () => {
    chmodSync(key, 0o644)
    chmodSync(relay.ini, 0o640)
    mkdirSync(leftover)
    writeFileSync(join(leftover, 'journal'), Buffer.alloc(3 << 20))
    writeFileSync(join(relay.config, 'smp-server.ini.bak'), 'old')
    const { status, found } = doctor()
    expect(status).toBe(1)
    expect(found).toMatch(/fail permissions: .*server\.key.* \(0644, 0640\)|fail permissions: .* \(0640, 0644\)/)
    expect(found).toContain(`warn leftovers: ${leftover} (3.0 MiB) is left of`)
    expect(found).toContain(`rm -r ${leftover}`)
    expect(found).toContain(`warn leftovers: ${relay.ini}.bak`)

    const fixed = doctor('--fix')
    expect(fixed.status).toBe(0)
    expect(fixed.found).not.toContain('permissions')
    expect([statSync(key).mode & 0o777, statSync(relay.ini).mode & 0o777]).toEqual([0o600, 0o600])
    expect(existsSync(leftover)).toBe(true)
  })

  it('that is not safe to repair is asked about on a terminal', () => {
    const answers = JSON.stringify([
      ['smp-server.ini.bak?', 'n'],
      ['00Z?', 'y'],
    ])
    const command = [process.execPath, join(projectRoot, 'dist/cli/main.js'), 'doctor', '--fix']
    const script = join(import.meta.dirname, 'type-in.py')
    spawnSync('python3', [script, answers, ...command], { env: relay.environment, timeout: 30_000 })
    expect([existsSync(leftover), existsSync(`${relay.ini}.bak`)]).toEqual([false, true])
  })

  it.skipIf(process.getuid?.() !== 0)('is repaired by root where a run as another user left files', () => {
    chownSync(key, 65534, 65534)
    expect(doctor().found).toMatch(/fail owners: \S+server\.key belongs not to user 0, .* but to user 65534: /)
    expect(doctor('--fix').status).toBe(0)
    expect(statSync(key).uid).toBe(0)
    chownSync(relay.config, 65534, 65534)
    expect(doctor('--fix').status).toBe(0)
    expect([statSync(key).uid, statSync(relay.ini).uid]).toEqual([65534, 65534])
    spawnSync('chown', ['-R', '0:0', relay.config])
  })
})

describe('a wrong state of the settings', () => {
  it('is named with its line or its remedy: a misplaced key, an onion address without a key', () => {
    const onion = generateOnionKey().hostname
    relay.set('TRANSPORT', 'socks_proxy', '127.0.0.1:9050')
    relay.set('TRANSPORT', 'host', `127.0.0.1,${onion}`)
    const { status, found } = doctor()
    expect(found).toMatch(/warn settings: .*socks_proxy/)
    expect(found).toContain(`fail onion: \`host\` contains ${onion}, but this relay has no key for it`)
    expect(status).toBe(1)
    relay.set('TRANSPORT', 'host', '127.0.0.1')
  })

  it('that cannot be read does not keep the other checks from being made', () => {
    const keep = relay.value('TRANSPORT', 'port') ?? ''
    relay.set('TRANSPORT', 'port', 'many')
    const { status, found } = doctor()
    expect([status, found]).toEqual([1, expect.stringMatching(/fail settings: .*port = many/)])
    expect(relay.run(['doctor']).stdout).toContain('OK   permissions')
    relay.set('TRANSPORT', 'port', keep)
  })
})

it('a port that another program holds is named with that program', async () => {
  const port = Number(relay.value('TRANSPORT', 'port'))
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  expect(doctor().found).toMatch(new RegExp(`fail port: .*${port}`))
  await new Promise((resolve) => other.close(resolve))
  expect(doctor().found).not.toContain('fail port')
})

it('a consensus of Tor from later than now shows that the clock is behind', () => {
  const data = join(relay.state, 'tor', 'client')
  mkdirSync(data, { recursive: true })
  writeFileSync(join(data, 'cached-microdesc-consensus'), 'valid-after 2099-01-01 00:00:00\n')
  expect(doctor().found).toContain('fail clock: The clock of this machine is wrong')
  writeFileSync(join(data, 'cached-microdesc-consensus'), '')
})

it('an old backup, a failed one, and a damaged store are named', async () => {
  writeFileSync(join(relay.state, 'last-backup'), '')
  const month = Date.now() / 1000 - 30 * 86_400
  utimesSync(join(relay.state, 'last-backup'), month, month)
  expect(doctor().found).toContain('warn backup: The last backup is 30 days old.')
  relay.set('BACKUP', 'directory', '/nowhere')
  relay.set('BACKUP', 'passphrase_file', '/nowhere/words')
  const failure = { at: new Date().toISOString(), message: 'The disk is full.', remedy: 'Free some space.' }
  writeFileSync(join(relay.state, 'backups.json'), JSON.stringify({ format: 1, made: [], failure }), { mode: 0o600 })
  expect(doctor().found).toContain(
    'fail backup: The last automatic backup failed. The disk is full. | Free some space.',
  )

  const running = relay.start(['start'])
  await running.shows(/Listening on port/)
  const { stdout } = relay.run(['doctor'])
  expect(stdout).toContain('OK   relay: Healthy: the relay answers')
  expect(stdout).toContain('OK   store: The message store is sound: 0 queues')
  running.kill('SIGTERM')
  await running.ended()
  truncateSync(join(relay.state, 'smp-server-store', 'data.mdb'), 5000)
  const damaged = doctor()
  expect([damaged.status, damaged.found]).toEqual([1, expect.stringContaining('fail store: ')])
})
