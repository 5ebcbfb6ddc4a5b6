import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { giveBack, planAdoption } from '../../../../src/tor/setup/adopt.ts'
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
  it('have names without case, values without comments and quotes, and their places', () => {
    const lines = parseTorrc(
      '# no\n +SocksPort auto # yes\nHiddenServiceDir "/a \\"b\\" c"\nLog notice \\\n  syslog\n',
      '/t',
    )
    expect(lines.map(({ name, value, first, last }) => [name, value, first, last])).toEqual([
      ['socksport', 'auto', 1, 1],
      ['hiddenservicedir', '/a "b" c', 2, 2],
      ['log', 'notice    syslog', 3, 4],
    ])
  })
})

describe('taking a service over', () => {
  it('finds it with its ports and the mode of its tor', async () => {
    writeFileSync(torrc, byHand())
    const services = await hiddenServices([torrc, join(root, 'none')])
    expect(services.map(({ ports, mode }) => [ports, mode])).toEqual([
      [[5223, 443], 'single-hop'],
      [[80], 'single-hop'],
    ])
  })

  it('makes comments of its lines and of no others, and can take that back', async () => {
    writeFileSync(torrc, byHand())
    const { files, candidate, key: found, service } = await planAdoption(directory, [torrc])
    expect(found.hostname).toBe(key.hostname)
    expect(service.mode).toBe('single-hop')
    const mark = '# taken over by smp-server: '
    const expected = byHand()
      .replace('HiddenServiceDir /', (line) => line)
      .split('\n')
      .map((row, at) => ([4, 5, 7, 8].includes(at) ? mark + row : row))
      .join('\n')
    expect(files).toEqual([{ path: torrc, before: byHand(), after: expected }])
    expect(giveBack(expected)).toBe(byHand())
    expect(candidate).not.toContain(directory)
    expect(candidate).toContain('HiddenServiceDir /var/lib/tor/other\nHiddenServicePort 80 127.0.0.1:8080\n')
    expect(readFileSync(torrc, 'utf8')).toBe(byHand())
  })

  it('finds it in an included file, and changes that one', async () => {
    const included = join(root, 'torrc.d', 'relay.conf')
    writeFileSync(included, `HiddenServiceDir ${directory}\nHiddenServicePort 5223\n`)
    writeFileSync(torrc, `SocksPort 9050\n%include ${root}/torrc.d/*.conf\n`)
    const { files, candidate, service } = await planAdoption(directory, [torrc])
    expect(files.map(({ path }) => path)).toEqual([included])
    expect(candidate).toBe('SocksPort 9050\n')
    expect(service.mode).toBe('anonymous')
  })

  it('names the services that there are when it is another directory', async () => {
    writeFileSync(torrc, byHand())
    await expect(planAdoption('/nowhere', [torrc])).rejects.toMatchObject({
      code: 'ADOPT_UNKNOWN',
      remedy: `There is a service for port 5223 in ${directory}/.`,
    })
    await expect(planAdoption('/nowhere', [])).rejects.toMatchObject({ code: 'ADOPT_UNKNOWN' })
  })

  it('leaves services of something else alone', async () => {
    writeFileSync(torrc, `HiddenServiceDir ${directory}\nHiddenServicePort 22 127.0.0.1:22\n`)
    await expect(planAdoption(directory, [torrc])).rejects.toMatchObject({ code: 'ADOPT_PORT' })
  })

  it('refuses a directory whose name and key do not belong together', async () => {
    writeFileSync(torrc, byHand())
    writeFileSync(join(directory, 'hostname'), `${generateOnionKey().hostname}\n`)
    await expect(planAdoption(directory, [torrc])).rejects.toMatchObject({ code: 'ONION_KEY_NAME' })
  })
})
