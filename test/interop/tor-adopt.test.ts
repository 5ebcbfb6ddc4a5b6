import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateOnionKey, type OnionKey } from '../../src/crypto/onion-key.ts'
import { directoryHostname, directoryKey } from '../../src/tor/onion/service-directory.ts'
import { manualService, planAdoption } from '../../src/tor/setup/adopt.ts'
import type { SetupRequest } from '../../src/tor/setup/plan-setup.ts'
import { findRemoval, lostAddresses, type Removal, removeOnion } from '../../src/tor/setup/remove.ts'
import type { SetupProgress } from '../../src/tor/setup/run-steps.ts'
import type { SetupResult } from '../../src/tor/setup/setup.ts'
import { defaultTorIn, RelayFiles, relayIni, type SetupSurroundings } from './tor-relay.ts'
import { startTor } from './tor-process.ts'
import { tree } from './tree.ts'
import { PlayedUnit } from './played-unit.ts'

/*
 * Services whose keys tor keeps in a HiddenServiceDir, made by a real tor without a network.
 */

const singleHop = ['SocksPort 0', 'HiddenServiceNonAnonymousMode 1', 'HiddenServiceSingleHopMode 1']

let files: RelayFiles
let torrc: string
let directory: string
beforeEach(async () => {
  files = await RelayFiles.make(relayIni, ['DisableNetwork 1'])
  torrc = join(files.directory, 'torrc')
  directory = join(files.directory, 'simplex-smp')
})
afterEach(() => files.remove())

/** Follows the usual guide manually, and lets tor create the service; returns its address. */
async function setUpManually(mode: readonly string[] = singleHop, further: readonly string[] = []): Promise<string> {
  const service = [`HiddenServiceDir ${directory}`, 'HiddenServicePort 5223 localhost:5223']
  await mkdir(directory, { mode: 0o700 })
  const tor = await startTor([...mode, ...service])
  await expect.poll(() => readFile(join(directory, 'hostname'), 'utf8').catch(() => '')).toMatch(/\.onion\n$/)
  await tor.stop()
  await writeFile(torrc, [...mode, ...service, ...further, ''].join('\n'))
  return (await readFile(join(directory, 'hostname'), 'utf8')).trim()
}

async function adopt(request: Partial<SetupRequest> = {}, surroundings: SetupSurroundings = {}): Promise<SetupResult> {
  const adoption = await planAdoption(directory, [torrc], [5223])
  return await files.setUp({ adoption, ...request }, { torrcs: [torrc], ...surroundings })
}

async function removal(surroundings: SetupSurroundings = { torrcs: [torrc] }): Promise<Removal> {
  const found = await findRemoval(files.removal(surroundings))
  if (!found) throw new Error('there is something to remove')
  return found
}

describe('adopting a service that was set up manually', () => {
  it('an adopted service keeps its address, its lines become comments, and a second run changes nothing', async () => {
    const hostname = await setUpManually()
    const result = await adopt()
    const record = join(files.directory, 'etc', 'onion.json')
    expect(result).toMatchObject({
      hostname,
      hosts: ['relay.example', hostname],
      changed: [record, files.keyFile, torrc, files.ini],
    })
    const lines = readFileSync(torrc, 'utf8').split('\n')
    expect(lines.filter((line) => line.includes('simplex-smp') || line.includes('5223'))).toEqual([
      `# adopted by smp-server: HiddenServiceDir ${directory}`,
      '# adopted by smp-server: HiddenServicePort 5223 localhost:5223',
    ])
    expect(lines).toEqual(expect.arrayContaining(singleHop))
    const everything = (): unknown => [tree(join(files.directory, 'etc')), readFileSync(torrc, 'utf8')]
    const before = everything()
    expect(await files.setUp()).toMatchObject({ hostname, changed: [], wasDone: true })
    expect(everything()).toEqual(before)
  })

  it('the removal of an adopted service restores its lines, and says that tor serves it again', async () => {
    const hostname = await setUpManually()
    const [ini, torrcBefore] = [await files.read(), readFileSync(torrc, 'utf8')]
    await adopt()
    const found = await removal()
    expect(lostAddresses(found)).toEqual([])
    expect(found.keys).toMatchObject([{ key: { hostname }, staysIn: { directory, torrc } }])
    expect(await removeOnion(files.removal({ torrcs: [torrc] }), found, true)).toEqual({ keptAs: [], left: [] })
    expect([await files.read(), readFileSync(torrc, 'utf8')]).toEqual([ini, torrcBefore])
    expect((await directoryKey(directory))?.hostname).toBe(hostname)
  })

  it('the removal counts the address as lost when the HiddenServiceDir of the adopted service is gone', async () => {
    const hostname = await setUpManually()
    await adopt()
    await rm(directory, { recursive: true })
    const found = await removal()
    expect(lostAddresses(found)).toEqual([hostname])
    const { keptAs } = await removeOnion(files.removal({ torrcs: [torrc] }), found, true)
    expect(keptAs).toEqual([expect.stringMatching(/onion-.*\.key$/)])
  })

  it('an anonymous service is not adopted as a single-hop one', async () => {
    await setUpManually(['SocksPort 0'])
    const before = tree(files.directory)
    await expect(adopt()).rejects.toMatchObject({ code: 'ONION_KEY_ANONYMOUS' })
    expect(tree(files.directory)).toEqual(before)
  })

  it('an anonymous service is adopted as an anonymous one', async () => {
    const hostname = await setUpManually(['SocksPort 0'])
    expect(await adopt({ service: { type: 'anonymous' } })).toMatchObject({ hostname })
  })

  it('a torrc that tor rejects without the service is named, and everything is rolled back', async () => {
    await setUpManually(singleHop, ['Bogus 1'])
    const before = tree(join(files.directory, 'etc'))
    const torrcBefore = readFileSync(torrc, 'utf8')
    await expect(adopt()).rejects.toMatchObject({
      code: 'TORRC_REFUSED',
      message: `tor rejects ${torrc} without the service: Unknown option 'Bogus'.`,
    })
    expect(files.shown.at(-1)).toBe('left: Rolled back: everything is as it was before')
    expect(tree(join(files.directory, 'etc'))).toEqual(before)
    expect(readFileSync(torrc, 'utf8')).toBe(torrcBefore)
  })

  it('the lines of an adopted service are restored when a later step fails', async () => {
    await setUpManually()
    const torrcBefore = readFileSync(torrc, 'utf8')
    const progress: SetupProgress = {
      ...files.progress,
      // Somebody edits the file at the worst moment.
      begin: (text) => {
        if (text.startsWith('Write the onion address')) void writeFile(files.ini, `${relayIni}# edited\r\n`)
      },
    }
    await expect(adopt({}, { progress })).rejects.toMatchObject({ code: 'INI_CHANGED' })
    expect(readFileSync(torrc, 'utf8')).toBe(torrcBefore)
    expect(Object.keys(tree(join(files.directory, 'etc')))).toEqual(['etc', 'etc/smp-server.ini', 'etc/torrc-extra'])
    expect(await files.read()).toBe(`${relayIni}# edited\r\n`)
  })
})

describe.runIf(process.geteuid?.() === 0)('setup in mode torrc (needs root)', () => {
  const request = {
    mode: 'torrc',
    instance: 'default',
    service: { type: 'single-hop', pow: true, maxStreams: 9 },
    ini: { introDefence: true },
    torrcExtra: undefined,
  } as const

  it('tor keeps the key, and the relay gets its address and nothing else', async () => {
    const { player, surroundings } = await machine()
    try {
      const result = await files.setUp(request, surroundings)
      const [, onion = ''] = result.hosts
      expect(onion).toBe((await readFile(join(directory, 'hostname'), 'utf8')).trim())
      expect(await files.read()).toContain('mode = torrc\r\ninstance = default\r\n')
      expect(Object.keys(tree(join(files.directory, 'etc')))).not.toContain('etc/onion.key')
      expect(readFileSync(torrc, 'utf8')).toMatch(
        /^Log notice stdout\n# The onion service .*\n%include .*\/torrc\.d\/\*\.conf\n$/,
      )
      const included = readFileSync(join(files.directory, 'torrc.d', 'smp-server.conf'), 'utf8')
      expect(included).toContain('HiddenServicePort 5223 127.0.0.1:5223\nHiddenServiceMaxStreams 9\n')
      expect(included).toContain('HiddenServicePoWDefensesEnabled 1\nHiddenServiceEnableIntroDoSDefense 1\n')
      const before = tree(join(files.directory, 'etc'), join(files.directory, 'torrc.d'))
      expect(await files.setUp(request, surroundings)).toMatchObject({ hostname: onion, changed: [], wasDone: true })
      expect(tree(join(files.directory, 'etc'), join(files.directory, 'torrc.d'))).toEqual(before)
      expect(player.calls).toEqual(['enable tor@default'])
    } finally {
      await player.stop()
    }
  }, 60_000)

  it('the key that tor keeps is not lost by the removal: it is kept where the operator chooses, or deleted', async () => {
    const { player, surroundings } = await machine()
    try {
      const { hostname } = await files.setUp(request, surroundings)
      const found = await removal(surroundings)
      expect(lostAddresses(found)).toEqual([hostname])
      const { keptAs } = await removeOnion(files.removal(surroundings), found, true)
      expect(await directoryKey(directory)).toBeUndefined()
      expect(readFileSync(torrc, 'utf8')).toBe('Log notice stdout\n')
      const key = await keyAt(keptAs[0] ?? '')
      expect(key.hostname).toBe(hostname)
      const importKey = { key, path: keptAs[0] ?? '' }
      expect(await files.setUp({ ...request, importKey }, surroundings)).toMatchObject({ hostname })
      await removeOnion(files.removal(surroundings), await removal(surroundings), false)
      expect(existsSync(directory)).toBe(false)
    } finally {
      await player.stop()
    }
  }, 60_000)

  it('a key that the relay keeps itself is not left behind by a change to mode torrc', async () => {
    const { player, surroundings } = await machine()
    await files.setUp()
    await expect(files.setUp(request, surroundings)).rejects.toMatchObject({ code: 'MANAGED_HAS_KEY' })
    expect(player.calls).toEqual([])
  })

  it('a service that was set up manually stays as it is, also when the relay drops it', async () => {
    const hostname = await setUpManually()
    const manually = readFileSync(torrc, 'utf8')
    const { player, surroundings } = await machine(manually)
    const leave = async (control = 'control'): Promise<SetupResult> => {
      const place = {
        ...defaultTorIn(files.directory),
        control: { type: 'unix' as const, path: join(files.directory, control) },
      }
      return await adopt({ mode: 'torrc', instance: 'default', torrcExtra: undefined }, { ...surroundings, place })
    }
    try {
      expect(await leave()).toMatchObject({ hostname, hosts: ['relay.example', hostname] })
      expect(await files.read()).toContain('mode = torrc\r\ninstance = default\r\n')
      const before = tree(join(files.directory, 'etc'), directory)
      expect(Object.keys(before)).not.toContain('etc/onion.key')
      expect(await manualService(hostname, [torrc], '/none')).toMatchObject({ directory, torrc })
      expect(await manualService(hostname, [torrc], torrc)).toBeUndefined()
      expect(await leave()).toMatchObject({ hostname, changed: [], wasDone: true })
      expect(tree(join(files.directory, 'etc'), directory)).toEqual(before)
      expect(player.calls).toEqual(['enable tor@default'])

      const found = await removal(surroundings)
      expect([lostAddresses(found), found.keys[0]?.staysIn?.directory]).toEqual([[], directory])
      await removeOnion(files.removal(surroundings), found, true)
      expect(await files.read()).toBe(relayIni)
      // It was stopped when the setup came.
      expect(player.calls).toEqual(['enable tor@default', 'disable tor@default'])
      expect(readFileSync(torrc, 'utf8')).toBe(manually)
      expect(await directoryHostname(directory)).toBe(hostname)
    } finally {
      await player.stop()
    }
  }, 60_000)

  it('a service beside a SOCKS port is refused, and the torrc stays', async () => {
    const { player, surroundings } = await machine('SocksPort 9050\n')
    await expect(files.setUp(request, surroundings)).rejects.toMatchObject({ code: 'TORRC_REFUSED' })
    expect(readFileSync(torrc, 'utf8')).toBe('SocksPort 9050\n')
    expect(await files.read()).toBe(relayIni)
    expect(player.calls).toEqual([])
  })

  it.each([
    ['a wrong mode', 'chmod', (path: string) => chmod(path, 0o755)],
    ['another owner', 'chown', (path: string) => chown(path, 65534, 65534)],
  ])('the remedy for a service directory with %s is named', async (_, remedy, spoil) => {
    const { player, surroundings } = await machine()
    try {
      await files.setUp(request, surroundings)
      await spoil(directory)
      await expect(files.setUp({ ...request, service: { type: 'single-hop' } }, surroundings)).rejects.toMatchObject({
        code: 'TORRC_REFUSED',
        remedy: expect.stringContaining(remedy) as string,
      })
    } finally {
      await player.stop()
    }
  })

  it('everything is rolled back when its tor dies', async () => {
    const { player, surroundings } = await machine()
    player.binary = '/bin/false'
    await expect(files.setUp(request, surroundings)).rejects.toMatchObject({ code: 'ONION_NOT_MADE' })
    expect(readFileSync(torrc, 'utf8')).toBe('Log notice stdout\n')
    expect(Object.keys(tree(join(files.directory, 'torrc.d')))).toEqual(['torrc.d'])
    expect(existsSync(directory)).toBe(false)
    expect(await files.read()).toBe(relayIni)
  }, 30_000)

  it.each([
    ['by a bad line', (text: string) => `${text}Bogus 1\n`],
    ['by a missing line', (text: string) => text.replace(/^HiddenServiceDir .*\n/m, '')],
  ])(
    'a torrc file of smp-server that was broken %s is written again, and keeps the address',
    async (_, spoil) => {
      const { player, surroundings } = await machine()
      try {
        const { hostname } = await files.setUp(request, surroundings)
        const included = join(files.directory, 'torrc.d', 'smp-server.conf')
        const before = readFileSync(included, 'utf8')
        await writeFile(join(files.directory, 'torrc.d', 'neighbour.conf'), 'MaxCircuitDirtiness 700\n')
        await writeFile(included, spoil(before))
        await player.restart('tor@default')
        expect(await files.setUp(request, surroundings)).toMatchObject({ hostname, changed: [included] })
        expect(readFileSync(included, 'utf8')).toBe(before)
        expect(await files.setUp(request, surroundings)).toMatchObject({ hostname, changed: [] })
      } finally {
        await player.stop()
      }
    },
    60_000,
  )

  it('a second setup with other options changes the torrc and the INI file', async () => {
    const { player, surroundings } = await machine()
    try {
      const { hostname } = await files.setUp(request, surroundings)
      const service = { type: 'single-hop', pow: false, maxStreams: 7 } as const
      const included = join(files.directory, 'torrc.d', 'smp-server.conf')
      const again = await files.setUp({ ...request, service }, surroundings)
      expect(again).toMatchObject({ hostname, changed: [included, files.ini] })
      expect(readFileSync(included, 'utf8')).toContain('HiddenServiceMaxStreams 7\n')
      expect(player.calls).toEqual(['enable tor@default', 'restart tor@default'])
    } finally {
      await player.stop()
    }
  }, 60_000)

  it.each([
    ['torrc', 'with the own file broken, too', (text: string) => `${text}Bogus 1\n`],
    ['torrc.d/neighbour.conf', 'with the own file broken, too', (text: string) => `${text}Bogus 1\n`],
  ])(
    'a bad line in the operator’s %s is named in one sentence, %s',
    async (name, _, spoil) => {
      const { player, surroundings } = await machine()
      try {
        await files.setUp(request, surroundings)
        await player.stop()
        const [theirs, included] = [name, 'torrc.d/smp-server.conf'].map((path) => join(files.directory, path))
        if (theirs === undefined || included === undefined) throw new Error('there are two files')
        const own = spoil(readFileSync(included, 'utf8'))
        await writeFile(included, own)
        await writeFile(theirs, `${existsSync(theirs) ? readFileSync(theirs, 'utf8') : ''}Wrong 1\n`)
        const before = readFileSync(theirs, 'utf8')
        await expect(files.setUp(request, surroundings)).rejects.toMatchObject({
          code: 'TORRC_REFUSED',
          message: "tor rejects the torrc of default: Unknown option 'Wrong'.",
        })
        expect([readFileSync(included, 'utf8'), readFileSync(theirs, 'utf8')]).toEqual([own, before])
      } finally {
        await player.stop()
      }
    },
    60_000,
  )

  it('the hostname that tor writes is compared with its key', async () => {
    const { player, surroundings } = await machine()
    const change = { ...request, service: { type: 'single-hop' } } as const
    try {
      await files.setUp(request, surroundings)
      player.binary = '/bin/false'
      await rm(join(directory, 'hostname'))
      await mkdir(join(directory, 'hostname'))
      await expect(files.setUp(change, surroundings)).rejects.toMatchObject({ code: 'ONION_UNREADABLE' })
      await rm(join(directory, 'hostname'), { recursive: true })
      await writeFile(join(directory, 'hostname'), `${'a'.repeat(56)}.onion\n`)
      await expect(files.setUp(change, surroundings)).rejects.toMatchObject({ code: 'ONION_KEY_NAME' })
    } finally {
      await player.stop()
    }
  }, 60_000)
})

async function keyAt(path: string): Promise<OnionKey> {
  const { readOnionKey } = await import('../../src/tor/onion/key.ts')
  return (await readOnionKey(path)) ?? generateOnionKey()
}

/** A machine's own tor in a temporary directory, started and stopped as its unit would be. */
async function machine(text = 'Log notice stdout\n'): Promise<{ player: PlayedUnit; surroundings: SetupSurroundings }> {
  await writeFile(torrc, text)
  const at = (name: string): string => join(files.directory, name)
  await mkdir(at('data'), { mode: 0o700 })
  const defaults = [
    `DataDirectory ${at('data')}`,
    `ControlSocket ${at('control')}`,
    'CookieAuthentication 1',
    `CookieAuthFile ${at('cookie')}`,
    'DisableNetwork 1',
    '',
  ]
  await writeFile(at('defaults'), defaults.join('\n'))
  const player = new PlayedUnit(torrc, at('defaults'))
  const timeouts = { stallMs: 200, totalMs: 200 }
  return { player, surroundings: { services: player, place: defaultTorIn(files.directory), torrcs: [torrc], timeouts } }
}
