import { afterEach, describe, expect, it } from 'vitest'
import type { Logger } from '../../../../src/config/log.ts'
import { silentLogger } from '../../../../src/config/log.ts'
import type { SupervisorState } from '../../../../src/tor/supervisor/state.ts'
import { parseOnionHostname } from '../../../../src/crypto/onion-address.ts'
import type { CheckResult } from '../../../../src/tor/check/check.ts'
import { TorrcWatch } from '../../../../src/tor/supervisor/torrc-watch.ts'

const name = parseOnionHostname('opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd.onion')
if (!name) throw new Error('the vector is right')
const hostname = name

const good: CheckResult = { at: new Date(0), host: hostname, port: 5223, via: 'client', steps: [], ms: 900 }

const watches: TorrcWatch[] = []
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop()
})

function failing(code: string): CheckResult {
  return { ...good, fault: { step: 'connect', code, message: 'It is not there.', remedy: 'Look.' } }
}

/** Returns these results, and the last one from then on. */
function watchOf(...results: CheckResult[]): {
  watch: TorrcWatch
  states: SupervisorState[]
  asked: string[]
  lines: unknown[]
} {
  const [states, asked, lines]: [SupervisorState[], string[], unknown[]] = [[], [], []]
  const log: Logger = {
    ...silentLogger,
    info: (message) => lines.push(message),
    warn: (message, fields) => lines.push([message, fields]),
  }
  const watch = new TorrcWatch({
    hostname,
    unit: 'tor@smp',
    log,
    onState: (state) => states.push(state),
    check: {
      intervalMs: 20,
      check: (host) => Promise.resolve(results[Math.min(asked.push(host), results.length) - 1] ?? good),
    },
  })
  watches.push(watch)
  watch.start()
  return { watch, states, asked, lines }
}

describe('a service in a torrc', () => {
  it('a service in a torrc is checked at its interval until the watch is stopped', async () => {
    const { watch, states, asked, lines } = watchOf(good)
    expect(states).toEqual([{ phase: 'watched', restarts: 0, hostname }])
    await expect.poll(() => asked.length).toBeGreaterThan(3)
    expect(new Set(asked)).toEqual(new Set([hostname]))
    expect(watch.state.check).toMatchObject({ last: { ms: 900 }, failures: 0 })
    expect(lines).toEqual(['onion service: reachable from outside (0.9 s)'])
    await watch.stop()
    expect(states.at(-1)).toMatchObject({ phase: 'stopped', check: { failures: 0 } })
    const { length } = asked
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(asked).toHaveLength(length)
  })

  it('a service that is not reachable is logged once, and once more when it is reachable again', async () => {
    const { watch, lines } = watchOf(failing('X'), failing('X'), failing('X'), good)
    await expect.poll(() => watch.state.check?.failures === 0 && lines.length).toBe(2)
    expect(lines).toEqual([
      ['onion service: not reachable from outside: It is not there.', { remedy: 'Look.' }],
      'onion service: reachable from outside (0.9 s)',
    ])
  })

  it.each([
    ['ONION_NOT_PUBLISHED', /systemctl status tor@smp; .* systemctl restart tor@smp$/],
    ['ONION_UNREACHABLE', /journalctl -u tor@smp -n 30/],
    ['ONION_TIMEOUT', /systemctl restart tor@smp$/],
    ['ONION_REFUSED', /Compare HiddenServicePort in the torrc of tor@smp with port under \[TRANSPORT\]/],
    ['TOR_CLIENT_OFFLINE', /^Look\.$/],
  ])('the remedy for a check that fails with %s is about its tor', async (code, remedy) => {
    const { watch } = watchOf(failing(code))
    await expect.poll(() => watch.state.check?.last.fault?.remedy).toMatch(remedy)
  })
})
