import { afterEach, describe, expect, it } from 'vitest'
import { TorControl } from '../../../../src/tor/control/tor-control.ts'
import { onionKeyFromSecret } from '../../../../src/crypto/onion-key.ts'
import { onionPorts } from '../../../../src/tor/onion/ports.ts'
import { addService, requireTorType } from '../../../../src/tor/onion/service.ts'
import type { Answer, FakeTor } from '../fake-tor.ts'
import { fakeTor, open } from '../fake-tor.ts'

const base64 = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='
const key = onionKeyFromSecret(Buffer.from(base64, 'base64'))
if (!key) throw new Error('the vector is right')
const otherId = 'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd'
const ports = [{ virtualPort: 5223, target: '127.0.0.1:5223' }]

const tors: FakeTor[] = []
afterEach(async () => {
  for (const tor of tors.splice(0)) await tor.stop()
})

async function connect(answer: (line: string) => Answer): Promise<{ control: TorControl; tor: FakeTor }> {
  const tor = await fakeTor(open(answer))
  tors.push(tor)
  return { control: await TorControl.connect({ endpoint: tor.endpoint }), tor }
}

/** Detached services as a tor lists them. */
const listing =
  (...ids: string[]) =>
  (line: string): Answer => {
    if (line === 'GETINFO onions/current') return ['250-onions/current=', '250 OK']
    if (line === 'GETINFO onions/detached') return [`250-onions/detached=${ids.join('')}`, '250 OK']
    return undefined
  }

describe('an onion service', () => {
  it('adds a service with its key', async () => {
    const { control } = await connect((line) => listing()(line) ?? [`250-ServiceID=${key.serviceId}`, '250 OK'])
    expect(await addService(control, { key, ports })).toMatchObject({ hostname: key.hostname, wasThere: false })
  })

  it('does not add a service again that is there already', async () => {
    const { control, tor } = await connect(listing(key.serviceId))
    expect(await addService(control, { key, ports })).toMatchObject({ hostname: key.hostname, wasThere: true })
    expect(tor.received.some((line) => line.startsWith('ADD_ONION'))).toBe(false)
  })

  it('removes a service first when its ports may be others', async () => {
    const { control, tor } = await connect(
      (line) =>
        listing(key.serviceId)(line) ??
        (line.startsWith('DEL_ONION') ? ['250 OK'] : [`250-ServiceID=${key.serviceId}`, '250 OK']),
    )
    expect(await addService(control, { key, ports, renew: true })).toMatchObject({ wasThere: false })
    expect(tor.received.slice(-2).map((line) => line.split(' ', 2)[0])).toEqual(['DEL_ONION', 'ADD_ONION'])
  })

  it('accepts a service that another program adds at the same moment', async () => {
    let asked = 0
    const { control } = await connect((line) => {
      if (line === 'GETINFO onions/detached') asked += 1
      return listing(...(asked > 1 ? [key.serviceId] : []))(line) ?? ['550 Onion address collision']
    })
    expect(await addService(control, { key, ports })).toMatchObject({ wasThere: true })
  })

  it('refuses a service that the torrc of this tor has with the same key', async () => {
    const { control } = await connect((line) => listing()(line) ?? ['550 Onion address collision'])
    await expect(addService(control, { key, ports })).rejects.toMatchObject({ code: 'ONION_COLLISION' })
  })

  it('refuses a service whose address does not match its key', async () => {
    const { control } = await connect((line) => listing()(line) ?? [`250-ServiceID=${otherId}`, '250 OK'])
    await expect(addService(control, { key, ports })).rejects.toMatchObject({ code: 'ONION_MISMATCH' })
  })

  it('refuses a tor that is not in single-hop mode', async () => {
    const { control } = await connect(
      (line) =>
        listing()(line) ??
        (line.startsWith('GETCONF')
          ? ['250-HiddenServiceSingleHopMode=0', '250 HiddenServiceNonAnonymousMode=0']
          : ['512 Tor is in anonymous hidden service mode']),
    )
    await expect(addService(control, { key, ports })).rejects.toMatchObject({
      code: 'TOR_NOT_SINGLE_HOP',
    })
    await expect(requireTorType(control, 'single-hop')).rejects.toMatchObject({ code: 'TOR_NOT_SINGLE_HOP' })
  })
})

describe('the ports of the onion service', () => {
  it('the service has port 5223 and the ports of the relay, since a port in an address counts for all its hosts', () => {
    const shown = (relay: number[]): string[] =>
      onionPorts(relay).map(({ virtualPort, target }) => `${virtualPort} ${target}`)
    expect(shown([5223, 443])).toEqual(['5223 127.0.0.1:5223', '443 127.0.0.1:443'])
    expect(shown([443, 5223])).toEqual(['5223 127.0.0.1:5223', '443 127.0.0.1:443'])
    expect(shown([15223])).toEqual(['5223 127.0.0.1:15223', '15223 127.0.0.1:15223'])
  })
})
