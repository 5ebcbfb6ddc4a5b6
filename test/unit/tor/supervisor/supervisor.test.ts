import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../../src/config/log.ts'
import { OnionSupervisor } from '../../../../src/tor/supervisor/supervisor.ts'
import type { SupervisorOptions } from '../../../../src/tor/supervisor/supervisor.ts'
import { encodeOnionKey, onionKeyFromSecret } from '../../../../src/crypto/onion-key.ts'
import { rememberPorts } from '../../../../src/tor/onion/ports.ts'
import type { Answer, FakeTor } from '../fake-tor.ts'
import { fakeTor, open } from '../fake-tor.ts'

const base64 = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='
const key = onionKeyFromSecret(Buffer.from(base64, 'base64'))
if (!key) throw new Error('the vector is right')
const { serviceId } = key

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A single-hop tor that forgets its services with its process, which is here its connection. */
async function singleHopTor(special: (line: string) => Answer | undefined = () => undefined): Promise<FakeTor> {
  let services: string[] = []
  const said = open((line) => {
    if (line.startsWith('GETCONF')) return ['250-HiddenServiceSingleHopMode=1', '250 HiddenServiceNonAnonymousMode=1']
    if (line === 'GETINFO onions/current') return ['250-onions/current=', '250 OK']
    if (line === 'GETINFO onions/detached') return [`250-onions/detached=${services.join('')}`, '250 OK']
    if (line === 'GETINFO status/bootstrap-phase') {
      return ['250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"', '250 OK']
    }
    if (line.startsWith('DEL_ONION')) {
      services = []
      return ['250 OK']
    }
    if (line.startsWith('ADD_ONION')) {
      services = [serviceId]
      return [`250-ServiceID=${serviceId}`, '250 OK', `650 HS_DESC UPLOAD ${serviceId} UNKNOWN $a blinded`]
    }
    return ['250 OK']
  })
  const tor = await fakeTor((line, connection) => {
    if (line === 'PROTOCOLINFO 1') services = connection === 1 ? services : []
    return special(line) ?? said(line)
  })
  ends.push(() => tor.stop())
  return tor
}

function supervise(tor: FakeTor, options: Partial<SupervisorOptions> = {}): OnionSupervisor {
  const made = new OnionSupervisor({
    tor: { mode: 'system', control: tor.endpoint },
    keyFile: join(tor.directory, 'onion.key'),
    portsFile: join(tor.directory, 'onion-ports'),
    ports: [{ virtualPort: 5223, target: '127.0.0.1:5223' }],
    heartbeatMs: 20,
    log: silentLogger,
    ...options,
  })
  ends.push(() => made.stop())
  made.start()
  return made
}

const uploaded = `650 HS_DESC UPLOADED ${serviceId} UNKNOWN $a`
const added = (tor: FakeTor): number => tor.received.filter((line) => line.startsWith('ADD_ONION')).length

describe('the supervisor', () => {
  it('brings the kept service up and says that it is published only when tor has said so', async () => {
    const tor = await singleHopTor()
    await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
    const kept = supervise(tor)
    await expect.poll(() => kept.state.phase).toBe('publishing')
    expect(kept.state).toMatchObject({ hostname: key.hostname, torVersion: '0.4.9.11', restarts: 0 })
    tor.say(uploaded)
    await expect.poll(() => kept.state.phase).toBe('published')
    expect(kept.state.publishedAt).toBeInstanceOf(Date)
    await kept.stop()
    expect(kept.state.phase).toBe('stopped')
  })

  it('adds the service again to every tor that comes after the one it lost', async () => {
    const tor = await singleHopTor()
    await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
    const kept = supervise(tor)
    for (const round of [1, 2]) {
      await expect.poll(() => added(tor)).toBe(round)
      tor.say(uploaded)
      await expect.poll(() => kept.state.phase).toBe('published')
      tor.connections.at(-1)?.destroy()
      await expect.poll(() => kept.state.phase).not.toBe('published')
      expect(kept.state.restarts).toBe(round)
    }
    expect(kept.state.lastError?.code).toBe('TOR_CONTROL_CLOSED')
  })

  it('goes on trying while there is no tor', async () => {
    const tor = await singleHopTor()
    await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
    const kept = supervise(tor, { tor: { mode: 'system', control: { type: 'unix', path: `${tor.directory}/none` } } })
    await expect.poll(() => kept.state.restarts, { timeout: 5000 }).toBeGreaterThan(1)
    expect(kept.state).toMatchObject({ phase: 'waiting', lastError: { code: 'TOR_CONTROL_ABSENT' } })
  })

  it('leaves a tor alone that has the service with the same ports, and asks the network about it', async () => {
    const tor = await singleHopTor((line) => {
      if (line === 'GETINFO onions/detached') return [`250-onions/detached=${serviceId}`, '250 OK']
      return line.startsWith('HSFETCH') ? ['250 OK', `650 HS_DESC RECEIVED ${serviceId} NO_AUTH $a b`] : undefined
    })
    await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
    await rememberPorts(join(tor.directory, 'onion-ports'), [{ virtualPort: 5223, target: '127.0.0.1:5223' }])
    const kept = supervise(tor)
    await expect.poll(() => kept.state.phase).toBe('published')
    expect(added(tor)).toBe(0)
    await kept.stop()
    supervise(tor, { ports: [{ virtualPort: 5223, target: '127.0.0.1:6000' }] })
    await expect.poll(() => tor.received.some((line) => line.startsWith('DEL_ONION'))).toBe(true)
    await expect.poll(() => added(tor)).toBe(1)
  })

  it('adds the service anew when the network has lost it twice', async () => {
    const missing = [
      '250 OK',
      `650 HS_DESC REQUESTED ${serviceId} NO_AUTH $b blinded`,
      `650 HS_DESC FAILED ${serviceId} NO_AUTH $b blinded REASON=NOT_FOUND`,
      `650 HS_DESC FAILED ${serviceId} NO_AUTH UNKNOWN REASON=QUERY_NO_HSDIR`,
    ]
    const tor = await singleHopTor((line) => (line.startsWith('HSFETCH') ? missing : undefined))
    await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
    const kept = supervise(tor)
    await expect.poll(() => kept.state.phase).toBe('publishing')
    tor.say(uploaded)
    await expect.poll(() => kept.state.phase).toBe('published')
    expect(await kept.check()).toEqual({ type: 'missing' })
    expect(added(tor)).toBe(1)
    await kept.check()
    expect(added(tor)).toBe(2)
    expect(kept.state.phase).toBe('publishing')
  })

  it('does not make another service when the key of the named one is lost', async () => {
    const tor = await singleHopTor()
    const kept = supervise(tor, { expectedHostname: key.hostname })
    await expect.poll(() => kept.state.lastError?.code).toBe('ONION_KEY_LOST')
    const { message, remedy } = kept.state.lastError ?? {}
    expect(message).toContain(`The key of ${key.hostname}, which host names, is missing`)
    expect(remedy).toBe('Restore it: `smp-server tor key restore FILE`.')
    expect(added(tor)).toBe(0)
    await writeFile(join(tor.directory, 'onion.key'), encodeOnionKey(key))
    await expect.poll(() => added(tor), { timeout: 5000 }).toBe(1)
  })
})
