import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planAdoption, serviceByHand } from '../../src/tor/setup/adopt.ts'
import { runCommand } from '../../src/system/command.ts'
import { managedHostname } from '../../src/tor/onion/managed-service.ts'
import { plainShape } from '../../src/tor/onion/config.ts'
import { findRemoval, removeOnion } from '../../src/tor/setup/remove.ts'
import { setupManagedTor, type ManagedPlace } from '../../src/tor/setup/managed.ts'
import { setupOwnTor } from '../../src/tor/setup/own.ts'
import type { SetupProgress } from '../../src/tor/setup/setup.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { startTor } from './tor-process.ts'
import { tree } from './tree.ts'
import { PlayedUnit } from './played-unit.ts'

/*
 * Services whose keys tor keeps in a HiddenServiceDir, made by a real tor without a network. Where root is needed and
 * not there, nothing but the refusal is left to see.
 */

const isRoot = process.geteuid?.() === 0
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

/** Follows the usual guide by hand, and lets tor make the service; returns its name. */
async function setUpByHand(mode: readonly string[] = singleHop, further: readonly string[] = []): Promise<string> {
  const service = [`HiddenServiceDir ${directory}`, 'HiddenServicePort 5223 localhost:5223']
  await mkdir(directory, { mode: 0o700 })
  const tor = await startTor([...mode, ...service])
  await expect.poll(() => readFile(join(directory, 'hostname'), 'utf8').catch(() => '')).toMatch(/\.onion\n$/)
  await tor.stop()
  await writeFile(torrc, [...mode, ...service, ...further, ''].join('\n'))
  return (await readFile(join(directory, 'hostname'), 'utf8')).trim()
}

describe('taking over a service that was set up by hand', () => {
  it('keeps its name, leaves its lines as comments, and changes nothing the second time', async () => {
    const hostname = await setUpByHand()
    const adoption = await planAdoption(directory, [torrc])
    const result = await setupOwnTor({ ...files.own, adoption }, files.progress)
    expect(result).toMatchObject({
      hostname,
      hosts: ['relay.example', hostname],
      changes: [files.keyFile, torrc, files.ini],
    })
    expect(files.steps).toContain(
      `onion left: If a tor runs with ${torrc}, restart it: it publishes the service until then`,
    )
    const lines = readFileSync(torrc, 'utf8').split('\n')
    expect(lines.filter((line) => line.includes('simplex-smp') || line.includes('5223'))).toEqual([
      `# taken over by smp-server: HiddenServiceDir ${directory}`,
      '# taken over by smp-server: HiddenServicePort 5223 localhost:5223',
    ])
    expect(lines).toEqual(expect.arrayContaining(singleHop))
    const kept = (): unknown => [tree(join(files.directory, 'etc')), readFileSync(torrc, 'utf8')]
    const before = kept()
    const again = await setupOwnTor(files.own, files.progress)
    expect(again).toMatchObject({ hostname, changes: [] })
    expect(kept()).toEqual(before)
  })

  it('is refused for an anonymous one in single-hop mode', async () => {
    await setUpByHand(['SocksPort 0'])
    const before = tree(files.directory)
    const adoption = await planAdoption(directory, [torrc])
    await expect(setupOwnTor({ ...files.own, adoption }, files.progress)).rejects.toMatchObject({
      code: 'ONION_KEY_ANONYMOUS',
    })
    expect(tree(files.directory)).toEqual(before)
  })

  it('takes an anonymous one over as such', async () => {
    const hostname = await setUpByHand(['SocksPort 0'])
    const adoption = await planAdoption(directory, [torrc])
    const shape = { mode: 'anonymous' } as const
    expect(await setupOwnTor({ ...files.own, adoption, shape }, files.progress)).toMatchObject({ hostname })
  })

  it('changes nothing when the torrc was broken by hand, and says how', async () => {
    await setUpByHand(singleHop, ['Bogus 1'])
    const before = tree(join(files.directory, 'etc'))
    const torrcBefore = readFileSync(torrc, 'utf8')
    const adoption = await planAdoption(directory, [torrc])
    await expect(setupOwnTor({ ...files.own, adoption }, files.progress)).rejects.toMatchObject({
      code: 'TORRC_REFUSED',
      message: `tor does not accept ${torrc} without the service: Unknown option 'Bogus'.`,
    })
    expect(files.steps.at(-1)).toBe('undo left: Everything that was changed has been taken back')
    expect(tree(join(files.directory, 'etc'))).toEqual(before)
    expect(readFileSync(torrc, 'utf8')).toBe(torrcBefore)
  })

  it('gives everything back when a later step fails', async () => {
    await setUpByHand()
    const torrcBefore = readFileSync(torrc, 'utf8')
    const adoption = await planAdoption(directory, [torrc])
    const progress: SetupProgress = {
      ...files.progress,
      // Somebody edits the file at the worst moment.
      begin: (step) => {
        if (step === 'ini') void writeFile(files.ini, `${relayIni}# edited\r\n`)
      },
    }
    const attempt = setupOwnTor({ ...files.own, adoption, torrcs: [torrc] }, progress)
    await expect(attempt).rejects.toMatchObject({ code: 'INI_CHANGED' })
    expect(readFileSync(torrc, 'utf8')).toBe(torrcBefore)
    expect(Object.keys(tree(join(files.directory, 'etc')))).toEqual(['etc', 'etc/smp-server.ini', 'etc/torrc-extra'])
    expect(await files.read()).toBe(`${relayIni}# edited\r\n`)
  })
})

if (isRoot) describeManaged()

function describeManaged(): void {
  describe('a service in the torrc', () => {
    it('is made by the tor, and the relay gets its name and nothing else', async () => {
      const { player, options } = await managed()
      try {
        const result = await setupManagedTor(options(), files.progress)
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
        expect(await setupManagedTor(options(), files.progress)).toMatchObject({ hostname: onion, changes: [] })
        expect(tree(join(files.directory, 'etc'), join(files.directory, 'torrc.d'))).toEqual(before)
        expect(player.calls).toEqual(['enable tor@default'])
      } finally {
        await player.stop()
      }
    }, 60_000)

    it('that was set up by hand is left as it is, also the second time, and when the relay gives it up', async () => {
      const hostname = await setUpByHand()
      const byHand = readFileSync(torrc, 'utf8')
      const { player, options } = await managed(byHand)
      const leave = async (control = 'control'): ReturnType<typeof setupManagedTor> => {
        const adoption = await planAdoption(directory, [torrc])
        const { place, ...plain } = { ...options(), wishes: {}, shape: plainShape }
        if (!place) throw new Error('the place is one of this test')
        const there = { ...place, control: { type: 'unix', path: join(files.directory, control) } } as const
        return await setupManagedTor({ ...plain, place: there, adoption }, files.progress)
      }
      try {
        expect(await leave()).toMatchObject({ hostname, hosts: ['relay.example', hostname], changes: [files.ini] })
        expect(await files.read()).toContain('mode = torrc\r\ninstance = default\r\n')
        const before = tree(join(files.directory, 'etc'), directory)
        expect(Object.keys(before)).not.toContain('etc/onion.key')
        expect(await serviceByHand(hostname, [torrc], '/none')).toMatchObject({ directory, torrc })
        expect(await serviceByHand(hostname, [torrc], torrc)).toBeUndefined()
        expect(await leave()).toMatchObject({ hostname, changes: [] })
        expect(tree(join(files.directory, 'etc'), directory)).toEqual(before)
        expect(player.calls).toEqual(['enable tor@default'])
        expect(await leave('nowhere')).toMatchObject({ hostname, changes: [], publication: { published: false } })
        expect(files.steps.at(-1)).toMatch(
          /^bootstrap left: Whether it is published cannot be seen from here: .*nowhere/,
        )

        const places = { ...files.common, torDirectory: files.own.directory, torrcs: [torrc], traces: [] }
        const removing = { ...places, form: undefined, run: runCommand, services: player }
        const removal = await findRemoval(removing)
        if (!removal) throw new Error('there is nothing to remove')
        await removeOnion(removing, removal, false)
        expect(await files.read()).toBe(relayIni)
        // It was stopped when the setup came.
        expect(player.calls).toEqual(['enable tor@default', 'disable tor@default'])
        expect(readFileSync(torrc, 'utf8')).toBe(byHand)
        expect(await managedHostname(directory)).toBe(hostname)
      } finally {
        await player.stop()
      }
    }, 60_000)

    it('is not put beside a SOCKS port, and the torrc stays', async () => {
      const { player, options } = await managed('SocksPort 9050\n')
      await expect(setupManagedTor(options(), files.progress)).rejects.toMatchObject({ code: 'TORRC_REFUSED' })
      expect(readFileSync(torrc, 'utf8')).toBe('SocksPort 9050\n')
      expect(await files.read()).toBe(relayIni)
      expect(player.calls).toEqual([])
    })

    it.each([
      ['with a wrong mode', 'chmod', (path: string) => chmod(path, 0o755)],
      ['of a wrong owner', 'chown', (path: string) => chown(path, 65534, 65534)],
    ])('names the remedy for a directory %s', async (_, remedy, spoil) => {
      const { options } = await managed()
      await mkdir(directory)
      await spoil(directory)
      await expect(setupManagedTor(options(), files.progress)).rejects.toMatchObject({
        code: 'TORRC_REFUSED',
        remedy: expect.stringContaining(remedy) as string,
      })
      expect(await files.read()).toBe(relayIni)
    })

    it('takes all back when its tor dies', async () => {
      const { player, options } = await managed()
      player.binary = '/bin/false'
      await expect(setupManagedTor(options(), files.progress)).rejects.toMatchObject({ code: 'ONION_NOT_MADE' })
      expect(readFileSync(torrc, 'utf8')).toBe('Log notice stdout\n')
      expect(Object.keys(tree(join(files.directory, 'torrc.d')))).toEqual(['torrc.d'])
      expect(await files.read()).toBe(relayIni)
    }, 30_000)

    it.each([
      ['by one line', (text: string) => `${text}Bogus 1\n`],
      ['by a missing one', (text: string) => text.replace(/^HiddenServiceDir .*\n/m, '')],
    ])(
      'whose file was broken by hand %s gets it back, and goes on under its name',
      async (_, spoil) => {
        const { player, options } = await managed()
        try {
          const { hostname } = await setupManagedTor(options(), files.progress)
          const included = join(files.directory, 'torrc.d', 'smp-server.conf')
          const neighbour = join(files.directory, 'torrc.d', 'neighbour.conf')
          const before = readFileSync(included, 'utf8')
          await writeFile(neighbour, 'MaxCircuitDirtiness 700\n')
          await writeFile(included, spoil(before))
          await player.restart('tor@default')
          expect(await setupManagedTor(options(), files.progress)).toMatchObject({ hostname, changes: [included] })
          expect(readFileSync(included, 'utf8')).toBe(before)
          expect(await setupManagedTor(options(), files.progress)).toMatchObject({ hostname, changes: [] })
        } finally {
          await player.stop()
        }
      },
      60_000,
    )

    it("gets other settings in a second run, which are checked in the place of the first's", async () => {
      const { player, options } = await managed()
      try {
        const { hostname } = await setupManagedTor(options(), files.progress)
        const shape = { mode: 'single-hop', pow: false, maxStreams: 7 } as const
        const included = join(files.directory, 'torrc.d', 'smp-server.conf')
        const again = await setupManagedTor({ ...options(), shape }, files.progress)
        expect(again).toMatchObject({ hostname, changes: [included, files.ini] })
        expect(readFileSync(included, 'utf8')).toContain('HiddenServiceMaxStreams 7\n')
      } finally {
        await player.stop()
      }
    }, 60_000)

    it.each([
      ['torrc', 'with its own file as it was', (text: string) => text],
      ['torrc', 'with its own file broken, too', (text: string) => `${text}Bogus 1\n`],
      ['torrc.d/neighbour.conf', 'with its own file broken, too', (text: string) => `${text}Bogus 1\n`],
    ])(
      'is told in one sentence what is wrong in the operator’s %s, %s',
      async (name, _, spoil) => {
        const { player, options } = await managed()
        try {
          await setupManagedTor(options(), files.progress)
          await player.stop()
          const [theirs, included] = [name, 'torrc.d/smp-server.conf'].map((path) => join(files.directory, path))
          if (theirs === undefined || included === undefined) throw new Error('there are two files')
          const own = spoil(readFileSync(included, 'utf8'))
          await writeFile(included, own)
          await writeFile(theirs, `${existsSync(theirs) ? readFileSync(theirs, 'utf8') : ''}Wrong 1\n`)
          const before = readFileSync(theirs, 'utf8')
          await expect(setupManagedTor(options(), files.progress)).rejects.toMatchObject({
            code: 'TORRC_REFUSED',
            message: "tor does not accept the torrc for default: Unknown option 'Wrong'.",
            remedy: expect.stringContaining('Correct the torrc') as string,
          })
          expect([readFileSync(included, 'utf8'), readFileSync(theirs, 'utf8')]).toEqual([own, before])
        } finally {
          await player.stop()
        }
      },
      60_000,
    )

    it('has its hostname checked against its key', async () => {
      const { player, options } = await managed()
      try {
        await setupManagedTor(options(), files.progress)
        await rm(join(directory, 'hostname'))
        await mkdir(join(directory, 'hostname'))
        await expect(setupManagedTor(options(), files.progress)).rejects.toMatchObject({ code: 'ONION_UNREADABLE' })
        await rm(join(directory, 'hostname'), { recursive: true })
        await writeFile(join(directory, 'hostname'), `${'a'.repeat(56)}.onion\n`)
        await expect(setupManagedTor(options(), files.progress)).rejects.toMatchObject({ code: 'ONION_MISMATCH' })
      } finally {
        await player.stop()
      }
    }, 60_000)
  })
}

/** A machine's own tor in a temporary directory, started and stopped as its unit would be. */
async function managed(text = 'Log notice stdout\n'): Promise<{
  player: PlayedUnit
  options: () => Parameters<typeof setupManagedTor>[0]
}> {
  await writeFile(torrc, text)
  const data = join(files.directory, 'data')
  await mkdir(data, { mode: 0o700 })
  const place: ManagedPlace = {
    unit: 'tor@default',
    torrc: join(files.directory, 'torrc.d', 'smp-server.conf'),
    mainTorrc: torrc,
    directory,
    dataDirectory: data,
    control: { type: 'unix', path: join(files.directory, 'control') },
  }
  const defaults = [
    `DataDirectory ${data}`,
    `ControlSocket ${join(files.directory, 'control')}`,
    'CookieAuthentication 1',
    `CookieAuthFile ${join(files.directory, 'cookie')}`,
    'DisableNetwork 1',
    '',
  ].join('\n')
  const player = new PlayedUnit(torrc, join(files.directory, 'defaults'))
  await writeFile(join(files.directory, 'defaults'), defaults)
  const options = (): Parameters<typeof setupManagedTor>[0] => ({
    ...files.common,
    instance: 'default',
    place,
    defaults,
    services: player,
    run: runCommand,
    shape: { mode: 'single-hop', pow: true, maxStreams: 9 },
    wishes: { introDefence: true },
    torrcs: [torrc],
    patience: { stallMs: 200, totalMs: 200 },
  })
  return { player, options }
}
