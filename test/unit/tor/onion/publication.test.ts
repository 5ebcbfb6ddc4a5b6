import { afterEach, describe, expect, it } from 'vitest'
import { PublicationWatch } from '../../../../src/tor/onion/await-publication.ts'
import type { HsDescEvent } from '../../../../src/tor/control/events.ts'
import { TorControl } from '../../../../src/tor/control/tor-control.ts'
import { parseServiceId } from '../../../../src/crypto/onion-address.ts'
import { onionKeyFromSecret } from '../../../../src/crypto/onion-key.ts'
import { Publication, fetchDescriptor } from '../../../../src/tor/onion/publication.ts'
import type { FakeTor } from '../fake-tor.ts'
import { fakeTor, open } from '../fake-tor.ts'

const secret = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='
const key = onionKeyFromSecret(Buffer.from(secret, 'base64'))
const other = parseServiceId('opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd')
if (!key || !other) throw new Error('the vectors are right')
const { serviceId } = key

const tors: FakeTor[] = []
afterEach(async () => {
  for (const tor of tors.splice(0)) await tor.stop()
})

const event = (action: string, directory: string, service: string = serviceId, reason?: string): HsDescEvent => {
  const plain = { type: 'hsDesc', action, serviceId: service, directory } as const
  return reason === undefined ? plain : { ...plain, reason }
}

describe('the uploads of a descriptor', () => {
  it('uploads are counted by directory and service', () => {
    const publication = new Publication()
    publication.take(event('CREATED', 'UNKNOWN'))
    expect(publication.of(serviceId)).toEqual({ uploads: 0, uploaded: 0 })
    publication.take(event('UPLOAD', '$a'))
    publication.take(event('UPLOAD', '$b'))
    publication.take(event('UPLOAD', '$a'))
    publication.take(event('UPLOAD', '$c', other))
    expect(publication.of(serviceId)).toEqual({ uploads: 2, uploaded: 0 })
    publication.take(event('UPLOADED', '$a'))
    publication.take(event('UPLOAD', '$a'))
    expect(publication.of(serviceId)).toEqual({ uploads: 2, uploaded: 1 })
    expect(publication.of(other)).toEqual({ uploads: 1, uploaded: 0 })
  })

  it('a failed upload has a reason, and is not confused with a failed download', () => {
    const publication = new Publication()
    publication.take(event('FAILED', '$a', serviceId, 'NOT_FOUND'))
    expect(publication.of(serviceId)).toEqual({ uploads: 0, uploaded: 0 })
    publication.take(event('UPLOAD', '$a'))
    publication.take(event('FAILED', '$a', serviceId, 'UPLOAD_REJECTED'))
    expect(publication.of(serviceId)).toEqual({ uploads: 1, uploaded: 0, failed: 1, failure: 'UPLOAD_REJECTED' })
    publication.forget(serviceId)
    expect(publication.of(serviceId)).toEqual({ uploads: 0, uploaded: 0 })
  })
})

describe('the directories that can be asked whose descriptor they hold', () => {
  const of = (action: string, directory: string, blindedKey: string): HsDescEvent => ({
    ...event(action, directory),
    blindedKey,
  })

  it('are those that have answered all uploads, with what they answered to those of a time period', () => {
    const publication = new Publication()
    for (const [directory, period] of [
      ['$a', 'one'],
      ['$a', 'two'],
      ['$b', 'two'],
      ['$c', 'two'],
    ] as const) {
      publication.take(of('UPLOAD', directory, period))
    }
    publication.take(event('UPLOADED', '$a'))
    publication.take(event('FAILED', '$b', serviceId, 'UPLOAD_REJECTED'))
    publication.take(event('FAILED', '$c', serviceId, 'UNEXPECTED'))
    expect(publication.settled(serviceId)).toEqual(['$b'])
    expect(publication.answer(serviceId, '$a', 'one')).toBeUndefined()
    publication.take(event('UPLOADED', '$a'))
    expect(publication.settled(serviceId)).toEqual(['$a', '$b'])
    expect(publication.settled(serviceId, 'one')).toEqual(['$a'])
    expect(publication.answer(serviceId, '$a', 'one')).toBe('done')
    expect(publication.answer(serviceId, '$b', 'two')).toBe('rejected')
    expect(publication.answer(serviceId, '$b', 'one')).toBeUndefined()
  })
})

async function fetching(events: readonly string[]): Promise<string> {
  const tor = await fakeTor(open((line) => (line === `HSFETCH ${serviceId}` ? ['250 OK', ...events] : ['250 OK'])))
  tors.push(tor)
  const control = await TorControl.connect({ endpoint: tor.endpoint })
  const { type } = await fetchDescriptor(control, serviceId, { timeoutMs: 200 })
  control.close()
  return type
}

describe('asking the network for the descriptor', () => {
  const requested = (directory: string): string => `650 HS_DESC REQUESTED ${serviceId} NO_AUTH ${directory} blinded`
  const failed = (directory: string, reason: string): string =>
    `650 HS_DESC FAILED ${serviceId} NO_AUTH ${directory} blinded REASON=${reason}`
  const none = `650 HS_DESC FAILED ${serviceId} NO_AUTH UNKNOWN REASON=QUERY_NO_HSDIR`

  it('the descriptor is found, also with the second directory', async () => {
    const received = `650 HS_DESC RECEIVED ${serviceId} NO_AUTH $b blinded`
    expect(await fetching([requested('$a'), failed('$a', 'NOT_FOUND'), requested('$b'), received])).toBe('received')
  })

  it('the descriptor is missing when every directory says so', async () => {
    expect(await fetching([requested('$a'), failed('$a', 'NOT_FOUND'), none])).toBe('missing')
  })

  it('the outcome is unknown without an answer, or when a directory is unreachable', async () => {
    expect(await fetching([])).toBe('unknown')
    expect(await fetching([none])).toBe('unknown')
    expect(await fetching([requested('$a'), failed('$a', 'UNEXPECTED'), none])).toBe('unknown')
    expect(await fetching([`650 HS_DESC RECEIVED ${other} NO_AUTH $b blinded`])).toBe('unknown')
  })

  it('a fetch fails when tor exits', async () => {
    const tor = await fakeTor(open((line) => (line.startsWith('HSFETCH') ? 'close' : ['250 OK'])))
    tors.push(tor)
    const control = await TorControl.connect({ endpoint: tor.endpoint })
    await expect(fetchDescriptor(control, serviceId)).rejects.toMatchObject({ code: 'TOR_CONTROL_CLOSED' })
  })
})

describe('waiting for the publication', () => {
  const patience = { stallMs: 150, totalMs: 1000 }
  const service = { key, hostname: key.hostname, isNew: false, wasThere: false }

  async function watching(phase: string): Promise<{ tor: FakeTor; watch: PublicationWatch }> {
    const tor = await fakeTor(
      open((line) => (line.startsWith('GETINFO') ? [`250-status/bootstrap-phase=${phase}`, '250 OK'] : ['250 OK'])),
    )
    tors.push(tor)
    return { tor, watch: await PublicationWatch.open(await TorControl.connect({ endpoint: tor.endpoint })) }
  }

  it('waiting ends with the first directory that has the descriptor, and reports progress', async () => {
    const { tor, watch } = await watching('NOTICE BOOTSTRAP PROGRESS=0 TAG=starting SUMMARY="Starting"')
    const shown: string[] = []
    const published = watch.published(service, patience, {
      bootstrap: ({ progress }) => shown.push(`${progress} %`),
      publication: ({ uploads, uploaded }) => shown.push(`${uploaded}/${uploads}`),
    })
    tor.say('650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"')
    tor.say(`650 HS_DESC UPLOAD ${serviceId} UNKNOWN $a blinded HSDIR_INDEX=00`)
    tor.say(`650 HS_DESC UPLOADED ${serviceId} UNKNOWN $a`)
    expect(await published).toEqual({ published: true })
    expect(shown).toEqual(['0 %', '0/0', '100 %', '1/1'])
  })

  it('waiting ends without progress, and says how far tor got', async () => {
    const phase = 'WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting" WARNING="Network is unreachable"'
    const { watch } = await watching(phase)
    expect(await watch.published(service, patience)).toEqual({
      published: false,
      why: 'tor is stuck at 5 % (connecting: Network is unreachable)',
    })
    const connected = await watching('NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"')
    expect(await connected.watch.published(service, patience)).toMatchObject({ why: 'tor has not uploaded it yet' })
  })

  it('the network is asked about a service that was there before', async () => {
    const tor = await fakeTor(
      open((line) => {
        if (line.startsWith('HSFETCH')) return ['250 OK', `650 HS_DESC RECEIVED ${serviceId} NO_AUTH $b blinded`]
        if (!line.startsWith('GETINFO')) return ['250 OK']
        return ['250-status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"', '250 OK']
      }),
    )
    tors.push(tor)
    const watch = await PublicationWatch.open(await TorControl.connect({ endpoint: tor.endpoint }))
    expect(await watch.published({ ...service, wasThere: true }, patience)).toEqual({ published: true })
  })
})
