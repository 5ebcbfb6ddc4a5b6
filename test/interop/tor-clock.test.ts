import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { silentLogger } from '../../src/config/log.ts'
import { checkReachability } from '../../src/tor/check/check.ts'
import type { OnionStatus } from '../../src/tor/supervisor/status-facts.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import type { RunningCommand } from './cli-process.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

/*
 * A machine whose clock is wrong: tor, and nothing else, runs under Debian's libfaketime in a Tor network whose clock is
 * right. tor itself finds out by how much.
 */

const library = readdirSync('/usr/lib')
  .map((name) => join('/usr/lib', name, 'faketime/libfaketime.so.1'))
  .find((path) => existsSync(path))
if (library === undefined) {
  it.skip('a wrong clock is told of, with what to do (needs libfaketime: apt install faketime)')
} else describeClock(library)

function describeClock(preload: string): void {
  let programs: string
  let clock: string
  let extra: string
  let relay: Installation
  let running: RunningCommand | undefined

  beforeAll(async () => {
    const network = await torNetwork(inject('torNetwork'))
    await buildProgram()
    programs = await mkdtemp(join(tmpdir(), 'smp-clock-'))
    clock = join(programs, 'clock')
    await writeFile(clock, '-3d\n')
    const script = [
      '#!/bin/sh',
      `export LD_PRELOAD=${preload} FAKETIME_TIMESTAMP_FILE=${clock} FAKETIME_NO_CACHE=1`,
      // What measures durations goes on as it is, as on a machine whose clock is set.
      'export FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0',
      'exec /usr/bin/tor "$@"',
      '',
    ]
    await writeFile(join(programs, 'tor'), script.join('\n'))
    await chmod(join(programs, 'tor'), 0o755)
    relay = new Installation({ path: `${programs}:${process.env.PATH ?? ''}` })
    expect(relay.run(['init', '-y', '-n', 'localhost', '--no-password', '--disable-web']).status).toBe(0)
    extra = join(relay.root, 'torrc-extra')
    await writeFile(extra, `${network.joinTorrc.join('\n')}\n`)
    const settings: [string, string, string][] = [
      ['TRANSPORT', 'port', String(await freePort())],
      ['TRANSPORT', 'listen_host', '127.0.0.1'],
      ['TOR', 'torrc_extra', extra],
    ]
    const ini = await readFile(relay.ini, 'utf8')
    await writeFile(
      relay.ini,
      settings.reduce((text, [section, key, value]) => setIniValue(text, section, key, value), ini),
    )
  }, 180_000)
  afterAll(async () => {
    await relay.remove()
    await rm(programs, { recursive: true, force: true })
  })

  const behind = 'the clock of this machine is about 3 days behind'

  it('setup beside a stopped relay does not need the right time', async () => {
    const { status } = await relay.start(['tor', 'setup', '--own', '-y']).ended()
    expect(status).toBe(0)
    expect(readFileSync(relay.ini, 'utf8')).toMatch(/^host = .*[a-z2-7]{56}\.onion$/m)
  }, 60_000)

  it('the running relay says so within 20 s, once, and status names the remedy', async () => {
    running = relay.start(['start'])
    await running.shows(/waiting for the network, but the clock .* is about 3 days behind: timedatectl set-ntp true/)
    const { stdout } = relay.run(['tor', 'status', '--json'])
    const { problem } = JSON.parse(stdout) as OnionStatus
    expect(problem).toMatchObject({
      fact: 'bootstrap',
      text: expect.stringMatching(new RegExp(`^\\d+ %, .* \\(${behind}\\)$`)) as string,
      remedy: 'Correct the clock: timedatectl set-ntp true',
    })
    const told = `${running.output.stdout}${running.output.stderr}`
    expect(told.match(/clock/g)).toHaveLength(1)
  }, 40_000)

  it('a check from outside says so, too', async () => {
    const target = { host: `${'a'.repeat(56)}.onion`, port: 5223, keyHash: Buffer.alloc(32) }
    const timeouts = { stallMs: 3000, totalMs: 20_000 }
    const client = { binary: join(programs, 'tor'), torrcExtra: extra, log: silentLogger, timeouts }
    const { fault } = await checkReachability(target, { type: 'client', client })
    expect(fault).toMatchObject({
      code: 'TOR_CLIENT_OFFLINE',
      message: `The tor client cannot connect to the Tor network: ${behind}.`,
      remedy: 'Correct the clock: timedatectl set-ntp true',
    })
  }, 40_000)

  it('within 180 s after the clock was corrected it is published, by the same tor or another', async () => {
    await writeFile(clock, '+0\n')
    await running?.shows(/onion service: published/, 180_000)
    running?.kill('SIGTERM')
    expect((await running?.ended())?.status).toBe(0)
  }, 210_000)

  it('a clock that is far ahead is named, too, although tor itself does not name it', async () => {
    await writeFile(clock, '+3d\n')
    running = relay.start(['start'])
    await running.shows(/waiting for the network, but the clock .* seems to be days ahead: timedatectl set-ntp true/)
    const { stdout } = relay.run(['tor', 'status', '--json'])
    const { problem } = JSON.parse(stdout) as OnionStatus
    expect(problem).toMatchObject({ fact: 'bootstrap', remedy: 'Correct the clock: timedatectl set-ntp true' })
    const { stdout: told, stderr } = running.output
    expect(told + stderr).not.toMatch(/certificate expired|connections have failed/)
  }, 40_000)

  it('a tor that makes no progress for 45 s because of the clock is restarted, and publishes once it is right', async () => {
    await running?.shows(/Tor's bootstrap stalled \(the clock .*\); restarting Tor/, 75_000)
    await writeFile(clock, '+0\n')
    await running?.shows(/onion service: published/, 120_000)
    running?.kill('SIGTERM')
    expect((await running?.ended())?.status).toBe(0)
  }, 210_000)

  it('a descriptor from a clock that was ahead is named within a minute after the correction, and nothing is called published', async () => {
    const named = /The directories hold a newer descriptor: another tor has this key, or the clock was ahead/
    // The young network's second consensus counts revisions from another moment, once.
    for (const attempt of [1, 2]) {
      await writeFile(clock, '+40m\n')
      running = relay.start(['start'])
      await running.shows(/onion service: published/, 60_000)
      running.kill('SIGTERM')
      await running.ended()
      await writeFile(clock, '+0\n')
      running = relay.start(['start'])
      const isNamed = await running.shows(named, attempt === 1 ? 30_000 : 60_000).then(
        () => true,
        () => false,
      )
      if (isNamed) break
      expect(attempt).toBe(1)
      running.kill('SIGTERM')
      await running.ended()
    }
    await expect
      .poll(() => (JSON.parse(relay.run(['tor', 'status', '--json']).stdout) as OnionStatus).problem, { timeout: 5000 })
      .toMatchObject({
        fact: 'descriptor',
        text: expect.stringContaining('(passes within 3 h)') as string,
        remedy: expect.stringContaining('smp-server tor rotate') as string,
      })
    const { stdout, stderr } = running?.output ?? { stdout: '', stderr: '' }
    expect(stdout + stderr).toMatch(named)
    expect(stdout + stderr).not.toContain('onion service: published')
    running?.kill('SIGTERM')
    expect((await running?.ended())?.status).toBe(0)
  }, 240_000)
}
