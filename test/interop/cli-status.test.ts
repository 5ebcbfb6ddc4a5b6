import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { askStatus } from '../../src/app/relay-status.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { setIniValue } from '../../src/config/ini.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { buildProgram, freePort, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => (relay = new Installation()))
afterEach(() => relay.remove())

describe('the control socket of a running relay', () => {
  it('tells its version, ports, counts and address to the user of the relay, and is gone after the relay', async () => {
    const port = await freePort()
    const args = ['init', '-y', '-n', 'smp.example.org', '--password', 'secret1', '--disable-web']
    expect(relay.run(args).status).toBe(0)
    writeFileSync(relay.ini, setIniValue(readFileSync(relay.ini, 'utf8'), 'TRANSPORT', 'port', String(port)))
    const paths = resolvePaths(relay.environment)
    expect(await askStatus(paths)).toBeUndefined()

    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    const socket = join(relay.state, 'control.sock')
    await expect.poll(() => statSync(socket, { throwIfNoEntry: false })?.mode).toBe(0o140600)
    const status = await askStatus(paths)
    expect(status).toMatchObject({
      ports: { smp: [port], webSockets: [], control: null, metrics: null },
      connections: 0,
      queues: 0,
      messages: 0,
      onion: null,
    })
    expect(status?.address).toMatch(new RegExp(`^smp://.*:secret1@smp\\.example\\.org:${port}$`))

    const shown = relay.run(['status'])
    expect([shown.status, shown.stderr]).toEqual([0, ''])
    expect(shown.stdout).toMatch(/^Healthy: smp-server \S+ .*process \d+, up /)
    expect(shown.stdout).toMatch(new RegExp(`^  Address +smp://\\S+:…@smp\\.example\\.org:${port}$`, 'm'))
    expect(shown.stdout).toMatch(new RegExp(`^  Ports +${port}$`, 'm'))
    expect(shown.stdout).not.toContain('secret1')
    const json = relay.run(['status', '--json']).stdout
    expect(JSON.parse(json)).toMatchObject({ running: true, queues: 0, health: { status: 'ok', problems: [] } })
    expect(json).not.toContain('secret1')

    running.kill('SIGINT')
    expect((await running.ended()).status).toBe(0)
    expect(await askStatus(paths)).toBeUndefined()
    const stopped = relay.run(['status'])
    expect(stopped.status).toBe(1)
    expect(stopped.stdout).toMatch(/^Stopped: no relay runs here\..*\n {2}Address +smp:\/\/\S+:…@smp\.example\.org/)
    expect(JSON.parse(relay.run(['status', '--json']).stdout)).toMatchObject({ running: false, lastBackup: null })
  })
})
