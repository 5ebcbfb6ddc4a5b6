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

/** Gives these proofs, and the last one for ever. */
function watchOf(...proofs: CheckResult[]): {
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
    proof: {
      intervalMs: 20,
      prove: (host) => Promise.resolve(proofs[Math.min(asked.push(host), proofs.length) - 1] ?? good),
    },
  })
  watches.push(watch)
  watch.start()
  return { watch, states, asked, lines }
}

describe('a service in a torrc', () => {
  it('is proven under the name of the INI file again and again, and says that it ends', async () => {
    const { watch, states, asked, lines } = watchOf(good)
    expect(states).toEqual([{ phase: 'watched', restarts: 0, hostname }])
    await expect.poll(() => asked.length).toBeGreaterThan(3)
    expect(new Set(asked)).toEqual(new Set([hostname]))
    expect(watch.state.proof).toMatchObject({ last: { ms: 900 }, failures: 0 })
    expect(lines).toEqual(['onion service: reached from outside in 0.9 s'])
    await watch.stop()
    expect(states.at(-1)).toMatchObject({ phase: 'stopped', proof: { failures: 0 } })
    const { length } = asked
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(asked).toHaveLength(length)
  })

  it('that is not reached is told once, and told again when it is reached', async () => {
    const { watch, lines } = watchOf(failing('X'), failing('X'), failing('X'), good)
    await expect.poll(() => watch.state.proof?.failures === 0 && lines.length).toBe(2)
    expect(lines).toEqual([
      ['onion service: the proof from outside failed: It is not there.', { remedy: 'Look.' }],
      'onion service: reached from outside in 0.9 s',
    ])
  })

  it.each([
    ['ONION_NOT_PUBLISHED', /systemctl status tor@smp; .* systemctl restart tor@smp$/],
    ['ONION_UNREACHABLE', /journalctl -u tor@smp -n 30/],
    ['ONION_TIMEOUT', /systemctl restart tor@smp$/],
    ['ONION_REFUSED', /Compare HiddenServicePort in the torrc of tor@smp with port in \[TRANSPORT\]/],
    ['TOR_CLIENT_OFFLINE', /^Look\.$/],
  ])('that fails with %s names what mends its tor', async (code, remedy) => {
    const { watch } = watchOf(failing(code))
    await expect.poll(() => watch.state.proof?.last.fault?.remedy).toMatch(remedy)
  })
})
