import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * With a real tor whose network is off: the lines that an operator adds to the torrc decide about that.
 */

beforeAll(buildProgram)

let relay: Installation
let extra: string
beforeEach(async () => {
  relay = new Installation()
  extra = join(relay.root, 'torrc-extra')
  writeFileSync(extra, 'DisableNetwork 1\n')
  await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
})
afterEach(() => relay.remove())

it('tor setup adds an onion address to the server address, and a second run changes nothing', () => {
  const { status, stdout } = relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra])
  expect(status).toBe(0)
  const [, onion] = relay.value('TRANSPORT', 'host')?.split(',') ?? []
  const port = relay.value('TRANSPORT', 'port') ?? ''
  expect(onion).toMatch(/^[a-z2-7]{56}\.onion$/)
  expect(stdout).toMatch(new RegExp(`^Server address: smp://.*@a\\.example,${onion ?? ''}:${port}$`, 'm'))
  expect(relay.run(['address']).stdout).toContain(`@a.example,${onion ?? ''}:${port}\n`)

  const before = readFileSync(relay.ini, 'utf8')
  const again = relay.run(['tor', 'setup', '--own', '-y'])
  expect(again.status).toBe(0)
  expect(again.stdout).toContain('nothing was changed')
  expect(readFileSync(relay.ini, 'utf8')).toBe(before)
})

it('start runs the tor that was set up, and ends it when it stops', async () => {
  relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra])
  const running = relay.start(['start', '--log-level', 'debug'])
  await running.shows(/tor: Opened Control listener/)
  running.kill('SIGINT')
  const { status, stderr } = await running.ended()
  expect(status).toBe(0)
  expect(stderr).toMatch(/Server stopped\n$/)
})

it('a torrc line that tor rejects is named, and the relay stays as it is', () => {
  writeFileSync(extra, 'DisableNetwork 1\nNoSuchOption 1\n')
  const before = readFileSync(relay.ini, 'utf8')
  const { status, stdout } = relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra])
  expect(status).toBe(1)
  expect(stdout).toMatch(/^Error: .*NoSuchOption/m)
  expect(readFileSync(relay.ini, 'utf8')).toBe(before)
})

it('tor setup without a terminal and without -y changes nothing', () => {
  const before = readFileSync(relay.ini, 'utf8')
  const { status, stdout } = relay.run(['tor', 'setup', '--own', '--torrc-extra', extra])
  expect([status, stdout]).toEqual([
    1,
    expect.stringMatching(/^ 1\. [^]*Nothing was changed\. Not a terminal; pass `-y` to confirm\.\n$/m),
  ])
  expect(readFileSync(relay.ini, 'utf8')).toBe(before)
})
