import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { torFinding, type TorQuestion } from '../../../src/app/doctor/tors.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import type { ServiceManager } from '../../../src/system/service-manager.ts'

const onionHost = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
let directory: string
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'smp-tors-'))))
afterEach(() => rmSync(directory, { recursive: true }))

const never = (): Promise<never> => Promise.reject(new Error('changes the system'))
const systemd: ServiceManager = {
  type: 'systemd',
  isActive: never,
  enable: never,
  restart: never,
  state: (unit) => Promise.resolve(unit === 'tor@smp' ? 'failed' : 'active'),
}

const question = (host: string, rest: Partial<TorQuestion> = {}): TorQuestion => ({
  settings: readSettings(`[TRANSPORT]\nhost = ${host}\nport = 5223\n`, 'x.ini').settings,
  instances: join(directory, 'none'),
  ...rest,
})

/** A program that says that it is tor of this version. */
function torOfVersion(version: string): string {
  const path = join(directory, 'tor')
  writeFileSync(path, `#!/bin/sh\necho "Tor version ${version}."\n`)
  chmodSync(path, 0o755)
  return path
}

it('the installed tor is named with its version, and with the instances that systemd knows', async () => {
  mkdirSync(join(directory, 'instances/smp'), { recursive: true })
  const { level, text } = await torFinding(
    question('a.example', { instances: join(directory, 'instances'), services: systemd }),
  )
  expect([level, text]).toEqual([
    'ok',
    expect.stringMatching(/^tor 0\.4\.\d+(?:\.\d+)? is installed \(tor@default active, tor@smp failed\)\.$/),
  ])
})

it('a missing tor is a fault only where the relay has an onion address', async () => {
  const binary = join(directory, 'tor')
  expect(await torFinding(question('a.example', { binary }))).toMatchObject({ level: 'ok' })
  expect(await torFinding(question(`a.example,${onionHost}`, { binary }))).toMatchObject({
    level: 'fail',
    text: 'tor is not installed.',
    remedy: 'On Debian and Ubuntu: `apt-get install tor`',
  })
})

it('a tor that is too old is named with the version that is needed', async () => {
  const binary = torOfVersion('0.4.5.16')
  const host = `a.example,${onionHost}`
  expect(await torFinding(question(host, { binary }))).toMatchObject({
    level: 'fail',
    text: 'tor 0.4.5.16 is installed; the relay needs 0.4.6 or later.',
  })
  expect(await torFinding(question('a.example', { binary }))).toMatchObject({ level: 'warn' })
})
