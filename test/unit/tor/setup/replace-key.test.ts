import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../../../src/config/ini.ts'
import { type ReplacedKey, replaceKey } from '../../../../src/tor/setup/replace-key.ts'
import { encodeOnionKey, generateOnionKey, type OnionKey } from '../../../../src/crypto/onion-key.ts'
import { nextKeyFile, readOnionKey } from '../../../../src/tor/onion/key.ts'
import { readServiceType, writeOnionRecord } from '../../../../src/tor/onion/record.ts'

let directory: string
let ini: string
let keyFile: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-adopt-'))
  ini = join(directory, 'smp-server.ini')
  keyFile = join(directory, 'onion.key')
  await writeFile(ini, '[TRANSPORT]\nhost = a.example\n')
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

const [key, other] = [generateOnionKey(), generateOnionKey()]

async function replace(wanted: OnionKey, force = false): Promise<ReplacedKey> {
  return await replaceKey({ ini, keyFile, key: wanted, force })
}

async function contents(): Promise<unknown[]> {
  const names = (await readdir(directory)).sort()
  return await Promise.all(names.map(async (name) => [name, (await readFile(join(directory, name))).toString('hex')]))
}

describe('a key that was kept elsewhere', () => {
  it('an imported key becomes the onion key, with its record, and only the relay can read it', async () => {
    expect(await replace(key)).toEqual({ wasThere: false, aside: undefined, isInHost: false })
    expect(await readFile(keyFile)).toEqual(encodeOnionKey(key))
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
    expect(await readServiceType(keyFile, key)).toBe('single-hop')
  })

  it('importing the present key changes nothing', async () => {
    await replace(key)
    const before = await readFile(keyFile)
    expect(await replace(key)).toMatchObject({ wasThere: true, aside: undefined })
    expect(await readFile(keyFile)).toEqual(before)
  })

  it('the record of an imported key has the service type of the relay', async () => {
    await writeFile(ini, '[TOR]\nsingle_hop = off\n')
    await replace(key)
    expect(await readServiceType(keyFile, key)).toBe('anonymous')
  })

  it('another key, or anything else in its place, is not replaced', async () => {
    for (const present of [encodeOnionKey(other), Buffer.from('something else')]) {
      await writeFile(keyFile, present)
      const before = await contents()
      await expect(replace(key)).rejects.toMatchObject({ code: 'ONION_KEY_OTHER' })
      expect(await contents()).toEqual(before)
    }
  })

  it('with force another key is replaced and kept beside it, and so is its address', async () => {
    await writeFile(keyFile, encodeOnionKey(other), { mode: 0o644 })
    await writeOnionRecord(keyFile, other, 'single-hop')
    await writeFile(ini, `[TRANSPORT]\nhost = a.example,${other.hostname},b.example\n`)
    const { aside = '', isInHost } = await replace(key, true)
    expect(isInHost).toBe(true)
    expect(aside).toMatch(/onion-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.key$/)
    expect((await readOnionKey(aside))?.hostname).toBe(other.hostname)
    expect(await readServiceType(aside, other)).toBe('single-hop')
    expect((await readOnionKey(keyFile))?.hostname).toBe(key.hostname)
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
    const host = iniValue(await readFile(ini, 'utf8'), 'TRANSPORT', 'host')
    expect(host).toBe(`a.example,${key.hostname},b.example`)
    const second = await replace(other, true)
    expect(second.aside).not.toBe(aside)
    expect(await readOnionKey(aside)).toBeDefined()
  })

  it('a key that does not match the address in the INI file is refused, unless forced', async () => {
    await writeFile(ini, `[TRANSPORT]\nhost = ${other.hostname}\n`)
    const before = await contents()
    await expect(replace(key)).rejects.toMatchObject({ code: 'HOST_OTHER_ONION' })
    expect(await contents()).toEqual(before)
    expect(await replace(other)).toMatchObject({ isInHost: true })
    await replace(key, true)
    expect(iniValue(await readFile(ini, 'utf8'), 'TRANSPORT', 'host')).toBe(key.hostname)
  })

  it('a key is refused in mode torrc', async () => {
    await writeFile(ini, '[TOR]\nmode = torrc\n')
    await expect(replace(key, true)).rejects.toMatchObject({ code: 'ONION_KEY_ELSEWHERE' })
    expect(await readdir(directory)).toEqual(['smp-server.ini'])
  })

  it('a key is refused during a rotation', async () => {
    await writeFile(nextKeyFile(keyFile), encodeOnionKey(other))
    const before = await contents()
    await expect(replace(key, true)).rejects.toMatchObject({ code: 'ROTATION_UNDER_WAY' })
    expect(await contents()).toEqual(before)
  })
})
