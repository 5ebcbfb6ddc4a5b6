import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * Whatever about Tor fails, the relay can be stopped within seconds, and leaves no process.
 */

/** A network of one directory that does not exist: tor opens its ports, and reaches nobody. */
const nowhere = [
  'TestingTorNetwork 1',
  `DirAuthority nobody orport=1 v3ident=${'A'.repeat(40)} 127.0.0.1:1 ${'B'.repeat(40)}`,
].join('\n')

let relay: Installation
let extra: string
let busy: Server
let busyPort: number

beforeAll(async () => {
  await buildProgram()
  busy = createServer()
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
  const address = busy.address()
  busyPort = typeof address === 'object' && address ? address.port : 0
})
afterAll(() => busy.close())
beforeEach(async () => {
  relay = new Installation()
  extra = join(relay.root, 'torrc-extra')
  writeFileSync(extra, `${nowhere}\n`)
  await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
})
afterEach(() => relay.remove())

/** A program of this name that is found before tor. */
function instead(script: string): void {
  const directory = join(relay.root, 'bin')
  mkdirSync(directory)
  writeFileSync(join(directory, 'tor'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(directory, 'tor'), 0o755)
}

describe('a relay that is stopped within 5 s', () => {
  it.each([
    [
      'while another program has its SOCKS port',
      () => relay.set('TOR', 'socks_port', String(busyPort)),
      /SOCKS tor: 127\.0\.0\.1:\d+ is in use by .* \(process \d+\)\. Stop that program, or change `socks_port` under \[TOR\]\./,
    ],
    [
      'while an anonymous tor finds its SOCKS port taken',
      () => relay.set('TOR', 'socks_port', String(busyPort)),
      /onion service: .*127\.0\.0\.1:\d+ is in use by /,
    ],
    [
      'while a tor that was just started does not answer',
      () => instead('case "$*" in *--verify-config*) exit 0;; esac; exec sleep 60'),
      /Listening on port/,
    ],
    ['while tor checks its torrc for ever', () => instead('exec sleep 60'), /Listening on port/],
    [
      'while its extra torrc lines are gone',
      () => relay.set('TOR', 'torrc_extra', '/nowhere'),
      /\/nowhere does not exist/,
    ],
    [
      'while the tor of the system accepts no connection',
      () => {
        relay.set('TOR', 'mode', 'system')
        relay.set('TOR', 'control', `127.0.0.1:${busyPort}`)
      },
      /Listening on port/,
    ],
    [
      'while another program has its metrics port',
      () => relay.set('STORE_LOG', 'metrics_port', String(busyPort)),
      /No metrics over HTTP: .*process \d+/,
    ],
  ])('%s', async (title, spoil, shown) => {
    const anonymous = title.includes('anonymous') ? ['--onion-only', '--yes-i-know'] : []
    expect(relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra, ...anonymous]).status).toBe(0)
    spoil()
    const running = relay.start(['start'], join(relay.root, 'bin'))
    await running.shows(shown)
    const stoppedAt = performance.now()
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
    expect(performance.now() - stoppedAt).toBeLessThan(5000)
    expect(processes()).toEqual([])
  })
})

it('a start that fails after the relay listens ends, and leaves nothing running', async () => {
  expect(relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).status).toBe(0)
  relay.set('TOR', 'mode', 'system')
  relay.set('TOR', 'control', 'no/path:x')
  const { status, stdout } = await relay.start(['start']).ended()
  expect([status, processes()]).toEqual([1, []])
  expect(stdout).toContain('Error: control = no/path:x under [TOR] must be')
})

/** The processes of this relay that still run. */
function processes(): string[] {
  const { stdout } = spawnSync('pgrep', ['-af', relay.root], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => line !== '')
}
