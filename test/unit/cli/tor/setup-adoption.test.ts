import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { keptFeatures, refuseChanges, wantedAdoption } from '../../../../src/cli/tor/setup-adoption.ts'
import { publicKeyOf } from '../../../../src/crypto/onion-address.ts'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'

const key = generateOnionKey()
/** `== ed25519v1-public: type0 ==` and three zeros, then the key. */
const publicKey = Buffer.concat([Buffer.from('== ed25519v1-public: type0 ==\0\0\0'), publicKeyOf(key.secret)])

let root: string
let torrc: string
let directory: string
let paths: { onionKey: string }
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'smp-adoption-'))
  torrc = join(root, 'torrc')
  directory = join(root, 'simplex-smp')
  paths = { onionKey: join(root, 'onion.key') }
  mkdirSync(directory)
  writeFileSync(join(directory, 'hs_ed25519_secret_key'), encodeOnionKey(key))
  writeFileSync(join(directory, 'hs_ed25519_public_key'), publicKey)
  writeFileSync(join(directory, 'hostname'), `${key.hostname}\n`)
  writeFileSync(torrc, `HiddenServiceDir ${directory}\nHiddenServicePort 5223 localhost:5223\n`)
})
afterEach(() => rmSync(root, { recursive: true }))

function settings(...hosts: string[]): Parameters<typeof wantedAdoption>[2] {
  return { tor: { instance: 'smp' }, transport: { hosts, ports: [5223] } }
}

it('--adopt a second time finds that the relay has the key already', async () => {
  const adopt = (): ReturnType<typeof wantedAdoption> =>
    wantedAdoption({ adopt: directory }, 'own', settings(), paths, [torrc])
  expect((await adopt())?.key.hostname).toBe(key.hostname)
  writeFileSync(paths.onionKey, encodeOnionKey(key))
  // The run before was interrupted.
  expect((await adopt())?.service.directory).toBe(directory)
  writeFileSync(torrc, readFileSync(torrc, 'utf8').replace(/^/gm, '# '))
  expect(await adopt()).toBeUndefined()
  writeFileSync(paths.onionKey, encodeOnionKey(generateOnionKey()))
  await expect(adopt()).rejects.toMatchObject({ code: 'ADOPT_UNKNOWN' })
})

it('--torrc-managed finds the service whose address is in the INI file', async () => {
  const find = (mode: 'own' | 'torrc', ...hosts: string[]): ReturnType<typeof wantedAdoption> =>
    wantedAdoption({}, mode, settings(...hosts), paths, [torrc])
  expect((await find('torrc', 'a.example', key.hostname))?.service).toMatchObject({ directory, torrc })
  expect(await find('torrc', 'a.example', generateOnionKey().hostname)).toBeUndefined()
  expect(await find('torrc', 'a.example')).toBeUndefined()
  expect(await find('own', 'a.example', key.hostname)).toBeUndefined()
})

it('options that would change a service which stays in its torrc are refused', () => {
  expect(() => refuseChanges({ adopt: directory, torrcManaged: true, withSocks: true })).not.toThrow()
  expect(() => refuseChanges({ pow: true, maxStreams: 9 })).toThrow(/^--pow and --max-streams cannot apply: /)
})

it('what an adopted service would lose is named, and lost only when that is accepted', async () => {
  const lines = ['HiddenServicePort 22 127.0.0.1:22', 'HiddenServiceMaxStreams 20', 'HiddenServicePoWDefensesEnabled 1']
  writeFileSync(torrc, `${readFileSync(torrc, 'utf8')}${lines.join('\n')}\n`)
  mkdirSync(join(directory, 'authorized_clients'))
  writeFileSync(join(directory, 'authorized_clients', 'alice.auth'), 'descriptor:x25519:AAAA\n')
  const adoption = await wantedAdoption({ adopt: directory }, 'own', settings(), paths, [torrc])
  if (!adoption) throw new Error('the service was not found')
  const ports = [{ virtualPort: 5223, target: '127.0.0.1:5223' }]
  await expect(keptFeatures(adoption, ports, {})).rejects.toMatchObject({
    code: 'ADOPT_LOSES',
    message: expect.stringMatching(
      /: port 22 \(to 127\.0\.0\.1:22\); client authorization \(alice\): .* to everybody\.$/,
    ) as string,
  })
  expect(await keptFeatures(adoption, ports, { yesIKnow: true })).toEqual({ pow: true, maxStreams: 20 })
})
