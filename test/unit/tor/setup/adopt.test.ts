import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adoptedFeatures, planAdoption, uncommented } from '../../../../src/tor/setup/adopt.ts'
import { hiddenServices } from '../../../../src/tor/process/hidden-services.ts'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { parseTorrc } from '../../../../src/tor/process/torrc-lines.ts'

let root: string
let torrc: string
let directory: string
const key = generateOnionKey()

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'smp-adopt-'))
  torrc = join(root, 'torrc')
  directory = join(root, 'simplex-smp')
  mkdirSync(directory)
  mkdirSync(join(root, 'torrc.d'))
  writeFileSync(join(directory, 'hs_ed25519_secret_key'), encodeOnionKey(key))
  writeFileSync(join(directory, 'hostname'), `${key.hostname}\n`)
})
afterEach(() => rmSync(root, { recursive: true }))

/** As the usual guides have it, between lines of somebody else. */
const byHand = (): string =>
  [
    'Log notice file /var/log/tor/notices.log',
    'SOCKSPort 0',
    'HiddenServiceNonAnonymousMode 1',
    'HiddenServiceSingleHopMode 1',
    `HiddenServiceDir ${directory}/   # the relay`,
    'HiddenServicePort 5223 localhost:5223',
    '# and the page',
    'HiddenServicePort 443 \\',
    '  localhost:443',
    'HiddenServiceDir /var/lib/tor/other',
    'HiddenServicePort 80 127.0.0.1:8080',
    '',
  ].join('\n')

describe('the lines of a torrc', () => {
  it('torrc lines have names without case, values without comments and quotes, and their places', () => {
    const lines = parseTorrc(
      '# no\n +SocksPort auto # yes\nHiddenServiceDir "/a \\"b\\" c"\nLog notice \\\n  syslog\n',
      '/t',
    )
    expect(lines.map(({ name, value, first, last }) => [name, value, first, last])).toEqual([
      ['socksport', 'auto', 1, 1],
      ['hiddenservicedir', '/a "b" c', 2, 2],
      ['log', 'notice   syslog', 3, 4],
    ])
  })
})

describe('adopting a service', () => {
  it('services are found with their ports and the service type of their tor', async () => {
    writeFileSync(torrc, byHand())
    const services = await hiddenServices([torrc, join(root, 'none')])
    expect(services.map(({ ports, type }) => [ports.map(({ virtualPort }) => virtualPort), type])).toEqual([
      [[5223, 443], 'single-hop'],
      [[80], 'single-hop'],
    ])
  })

  it('only the lines of the adopted service become comments, and can be restored', async () => {
    writeFileSync(torrc, byHand())
    const { files, candidate, key: found, service } = await planAdoption(directory, [torrc], [5223])
    expect(found.hostname).toBe(key.hostname)
    expect(service.type).toBe('single-hop')
    const mark = '# adopted by smp-server: '
    const expected = byHand()
      .replace('HiddenServiceDir /', (line) => line)
      .split('\n')
      .map((row, at) => ([4, 5, 7, 8].includes(at) ? mark + row : row))
      .join('\n')
    expect(files).toEqual([{ path: torrc, before: byHand(), after: expected }])
    expect(uncommented(expected)).toBe(byHand())
    expect(candidate).not.toContain(directory)
    expect(candidate).toContain('HiddenServiceDir /var/lib/tor/other\nHiddenServicePort 80 127.0.0.1:8080\n')
    expect(readFileSync(torrc, 'utf8')).toBe(byHand())
  })

  it('a service in an included file is adopted there', async () => {
    const included = join(root, 'torrc.d', 'relay.conf')
    writeFileSync(included, `HiddenServiceDir ${directory}\nHiddenServicePort 5223\n`)
    writeFileSync(torrc, `SocksPort 9050\n%include ${root}/torrc.d/*.conf\n`)
    const { files, candidate, service } = await planAdoption(directory, [torrc], [5223])
    expect(files.map(({ path }) => path)).toEqual([included])
    expect(candidate).toBe('SocksPort 9050\n')
    expect(service.type).toBe('anonymous')
  })

  it('an unknown directory is refused, and the services that lead to the relay are named', async () => {
    writeFileSync(torrc, byHand())
    await expect(planAdoption('/nowhere', [torrc], [5223])).rejects.toMatchObject({
      code: 'ADOPT_UNKNOWN',
      remedy: `Services that lead to this relay: ${directory}/.`,
    })
    await expect(planAdoption('/nowhere', [], [5223])).rejects.toMatchObject({ code: 'ADOPT_UNKNOWN' })
  })

  it('a service that does not lead to the relay is refused', async () => {
    writeFileSync(torrc, `HiddenServiceDir ${directory}\nHiddenServicePort 22 127.0.0.1:22\n`)
    await expect(planAdoption(directory, [torrc], [5223])).rejects.toMatchObject({ code: 'ADOPT_PORT' })
  })

  it('a directory whose hostname does not match its key is refused', async () => {
    writeFileSync(torrc, byHand())
    writeFileSync(join(directory, 'hostname'), `${generateOnionKey().hostname}\n`)
    await expect(planAdoption(directory, [torrc], [5223])).rejects.toMatchObject({ code: 'ONION_KEY_NAME' })
  })

  it('a service on the relay’s own port is adopted, whatever that port is', async () => {
    writeFileSync(torrc, `HiddenServiceDir ${directory}\nHiddenServicePort 7777 127.0.0.1:7777\n`)
    await expect(planAdoption(directory, [torrc], [5223])).rejects.toMatchObject({ code: 'ADOPT_PORT' })
    expect((await planAdoption(directory, [torrc], [7777])).key.hostname).toBe(key.hostname)
  })

  it('proof of work and the stream limit are kept; other ports, clients and options would be lost', async () => {
    const lines = [
      `HiddenServiceDir ${directory}/`,
      'HiddenServicePort 5223 127.0.0.1:7301',
      'HiddenServicePort 443 127.0.0.1:7443',
      'HiddenServicePort 22 127.0.0.1:22',
      'HiddenServicePort 7301',
      'HiddenServicePort 9 unix:/run/x:7301',
      'HiddenServiceMaxStreams 20',
      'HiddenServicePoWDefensesEnabled 1',
      'HiddenServicePoWQueueRate 5',
      'HiddenServiceNumIntroductionPoints 7',
      'HiddenServiceAllowUnknownPorts 0',
      '',
    ]
    writeFileSync(torrc, lines.join('\n'))
    const { service } = await planAdoption(directory, [torrc], [7301])
    const kept = [5223, 7301].map((virtualPort) => ({ virtualPort, target: '127.0.0.1:7301' }))
    expect(adoptedFeatures(service, kept, ['alice'])).toEqual({
      pow: true,
      maxStreams: 20,
      lost: [
        'port 443 (to 127.0.0.1:7443)',
        'port 22 (to 127.0.0.1:22)',
        'port 9 (to unix:/run/x:7301)',
        'client authorization (alice): the service will be open to everybody',
        'HiddenServicePoWQueueRate 5',
        'HiddenServiceNumIntroductionPoints 7',
      ],
    })
  })

  it('nothing is lost of a plain service of the relay', async () => {
    writeFileSync(torrc, byHand().replace('localhost:443', 'localhost:5223'))
    const { service } = await planAdoption(directory, [torrc], [5223])
    const kept = [5223, 443].map((virtualPort) => ({ virtualPort, target: '127.0.0.1:5223' }))
    expect(adoptedFeatures(service, kept, [])).toEqual({ pow: false, maxStreams: undefined, lost: [] })
  })
})
