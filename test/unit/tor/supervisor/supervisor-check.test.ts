import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Logger } from '../../../../src/config/log.ts'
import { silentLogger } from '../../../../src/config/log.ts'
import { OnionSupervisor } from '../../../../src/tor/supervisor/supervisor.ts'
import type { SupervisorOptions } from '../../../../src/tor/supervisor/supervisor.ts'
import { encodeOnionKey, onionKeyFromSecret } from '../../../../src/crypto/onion-key.ts'
import type { CheckResult } from '../../../../src/tor/check/check.ts'
import type { CheckFault } from '../../../../src/tor/check/faults.ts'
import type { Answer, FakeTor } from '../fake-tor.ts'
import { fakeTor, open } from '../fake-tor.ts'

const base64 = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='
const made = onionKeyFromSecret(Buffer.from(base64, 'base64'))
if (!made) throw new Error('the vector is right')
const key = made
const { serviceId } = key

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

interface Circumstances {
  readonly progress?: number
  readonly networkOff?: boolean
}

/** A single-hop tor that publishes whatever it is given at once. */
async function publishingTor({ progress = 100, networkOff = false }: Circumstances = {}): Promise<FakeTor> {
  let services = ''
  const answer = open((line): Answer => {
    if (line === 'GETCONF DisableNetwork') return [`250 DisableNetwork=${networkOff ? 1 : 0}`]
    if (line.startsWith('GETCONF')) return ['250-HiddenServiceSingleHopMode=1', '250 HiddenServiceNonAnonymousMode=1']
    if (line === 'GETINFO onions/current') return ['250-onions/current=', '250 OK']
    if (line === 'GETINFO onions/detached') return [`250-onions/detached=${services}`, '250 OK']
    if (line === 'GETINFO status/bootstrap-phase') {
      const phase = `NOTICE BOOTSTRAP PROGRESS=${progress} TAG=conn SUMMARY="Connecting to a relay"`
      return [`250-status/bootstrap-phase=${phase}`, '250 OK']
    }
    if (line.startsWith('DEL_ONION')) services = ''
    if (!line.startsWith('ADD_ONION')) return ['250 OK']
    services = serviceId
    const uploads = [
      `650 HS_DESC UPLOAD ${serviceId} UNKNOWN $a blinded`,
      `650 HS_DESC UPLOADED ${serviceId} UNKNOWN $a`,
    ]
    return [`250-ServiceID=${serviceId}`, '250 OK', ...(progress === 100 ? uploads : [])]
  })
  const tor = await fakeTor(answer)
  ends.push(() => tor.stop())
  await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
  return tor
}

/** What a log was told, each as `level message`. */
function recorder(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const tell = (level: string) => (message: string) => lines.push(`${level} ${message}`)
  return { lines, log: { ...silentLogger, note: tell('note'), info: tell('info'), warn: tell('warn') } }
}

function supervise(tor: FakeTor, options: Partial<SupervisorOptions>): OnionSupervisor {
  const kept = new OnionSupervisor({
    tor: { mode: 'system', control: tor.endpoint },
    keyFile: join(tor.directory, 'onion.key'),
    portsFile: join(tor.directory, 'onion-ports'),
    ports: [{ virtualPort: 5223, target: '127.0.0.1:5223' }],
    heartbeatMs: 20,
    log: silentLogger,
    ...options,
  })
  ends.push(() => kept.stop())
  kept.start()
  return kept
}

const good: CheckResult = { at: new Date(0), host: key.hostname, port: 5223, via: 'client', steps: [], ms: 1234 }
const unpublished: CheckFault = { step: 'connect', code: 'ONION_NOT_PUBLISHED', message: 'Not there.', remedy: 'Wait.' }
const offline: CheckFault = { step: 'tor', code: 'TOR_CLIENT_OFFLINE', message: 'No network.', remedy: 'Plug in.' }

/** Gives these results, and the last one for ever. */
function results(...faults: (CheckFault | undefined)[]): {
  asked: string[]
  check: (hostname: string) => Promise<CheckResult>
} {
  const asked: string[] = []
  return {
    asked,
    check: (hostname) => {
      const fault = faults[Math.min(asked.push(hostname), faults.length) - 1]
      return Promise.resolve(fault ? { ...good, fault } : good)
    },
  }
}

const added = (tor: FakeTor): number => tor.received.filter((line) => line.startsWith('ADD_ONION')).length

describe('the supervisor checks the service from outside', () => {
  it('soon after publication and again and again, and shows the last check', async () => {
    const tor = await publishingTor()
    const { asked, check } = results(undefined)
    const { log, lines } = recorder()
    const kept = supervise(tor, { check: { intervalMs: 20, check }, log })
    await expect.poll(() => asked.length).toBeGreaterThan(3)
    expect(new Set(asked)).toEqual(new Set([key.hostname]))
    expect(kept.state.check).toMatchObject({ last: { ms: 1234 }, failures: 0 })
    expect(kept.state.check?.nextAt).toBeInstanceOf(Date)
    expect(kept.state.uploadedAt).toBeInstanceOf(Date)
    expect(lines.filter((line) => line.includes('outside'))).toEqual([
      'info onion service: reachable from outside (1.2 s)',
    ])
    expect(added(tor)).toBe(1)
  })

  it('and after a failure warns once with the remedy, publishes it again, and tells when it is reached again', async () => {
    const tor = await publishingTor()
    const { check } = results(unpublished, unpublished, undefined)
    const fields: unknown[] = []
    const { log, lines } = recorder()
    const kept = supervise(tor, {
      check: { intervalMs: 20, check },
      log: {
        ...log,
        warn: (message, details) => {
          fields.push(details)
          log.warn(message)
        },
      },
    })
    // The first time, and once more for the failures: the second may come while the service is being published.
    await expect.poll(() => kept.state.check?.failures === 0 && added(tor)).toBeGreaterThan(1)
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
      'warn onion service: not reachable from outside: Not there.',
    ])
    expect(fields).toEqual([{ remedy: 'Wait.' }])
    expect(lines).toContain('info onion service: reachable from outside (1.2 s)')
    await expect.poll(() => kept.state.phase).toBe('published')
  })

  it('but leaves the service alone when its own client has no network', async () => {
    const tor = await publishingTor()
    const { asked, check } = results(offline)
    const kept = supervise(tor, { check: { intervalMs: 20, check } })
    await expect.poll(() => asked.length).toBeGreaterThan(2)
    expect(kept.state.check?.failures).toBeGreaterThan(1)
    expect(added(tor)).toBe(1)
  })

  it('not before it is published', async () => {
    const tor = await publishingTor({ progress: 45 })
    const { asked, check } = results(undefined)
    const kept = supervise(tor, { check: { intervalMs: 20, check } })
    await expect.poll(() => kept.state.phase).toBe('bootstrapping')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(asked).toEqual([])
  })

  it('and ends at once while a check is under way', async () => {
    const tor = await publishingTor()
    let calledOff = false
    let began = false
    const kept = supervise(tor, {
      check: {
        intervalMs: 20,
        check: (_, signal) =>
          new Promise((__, reject) => {
            began = true
            signal.addEventListener('abort', () => {
              calledOff = true
              reject(new Error('called off'))
            })
          }),
      },
    })
    await expect.poll(() => began).toBe(true)
    await kept.stop()
    expect([calledOff, kept.state.check]).toEqual([true, undefined])
  })
})

describe('the log says once what the onion service waits for', () => {
  it('when tor stays without its network', async () => {
    const tor = await publishingTor({ progress: 5 })
    const { log, lines } = recorder()
    supervise(tor, { log, waitingGraceMs: 50 })
    const expected = ['note onion service: waiting for the network, tor is stuck at 5 % (connecting to a relay)']
    await expect.poll(() => lines).toEqual(expected)
    tor.say('650 NETWORK_LIVENESS DOWN')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(lines).toEqual(expected)
  })

  it('when the clock is wrong, with the remedy', async () => {
    const tor = await publishingTor({ progress: 5 })
    const { log, lines } = recorder()
    const kept = supervise(tor, { log, waitingGraceMs: 100 })
    await expect.poll(() => kept.state.phase).toBe('bootstrapping')
    tor.say('650 STATUS_GENERAL WARN CLOCK_SKEW SKEW=-259200 SOURCE=CONSENSUS')
    await expect
      .poll(() => lines)
      .toEqual([
        'note onion service: waiting for the network, but the clock of this machine is about 3 days behind: timedatectl set-ntp true',
      ])
    expect(kept.state.clockSkew).toBe(-259_200)
    tor.connections.at(-1)?.destroy()
    await expect.poll(() => kept.state.restarts).toBe(1)
    await expect.poll(() => kept.state.clockSkew).toBeUndefined()
  })

  it('when a line of the torrc switches the network off', async () => {
    const tor = await publishingTor({ progress: 0, networkOff: true })
    const { log, lines } = recorder()
    supervise(tor, { log })
    const expected = ['note onion service: waiting for the network, which a line of its torrc switches off']
    await expect.poll(() => lines).toEqual(expected)
  })

  it('when there is no tor, with the remedy', async () => {
    const tor = await publishingTor()
    const { log, lines } = recorder()
    const path = `${tor.directory}/none`
    const kept = supervise(tor, { tor: { mode: 'system', control: { type: 'unix', path } }, log })
    await expect.poll(() => kept.state.restarts, { timeout: 5000 }).toBeGreaterThan(1)
    expect(lines).toEqual([`warn onion service: waiting for tor: No tor answers at ${path}.`])
  })

  it('and not at all when it is connected in time', async () => {
    const tor = await publishingTor()
    const { log, lines } = recorder()
    const kept = supervise(tor, { log, waitingGraceMs: 20 })
    await expect.poll(() => kept.state.phase).toBe('published')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(lines).toEqual(['info onion service: published'])
  })
})
