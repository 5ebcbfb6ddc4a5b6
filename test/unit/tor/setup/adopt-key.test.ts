import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../../../src/config/ini.ts'
import { adoptKey, type Adopted } from '../../../../src/tor/setup/adopt-key.ts'
import { encodeOnionKey, generateOnionKey, type OnionKey } from '../../../../src/crypto/onion-key.ts'
import { nextKeyFile, readOnionKey } from '../../../../src/tor/onion/key.ts'
import { readOnionMode, writeOnionRecord } from '../../../../src/tor/onion/record.ts'

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

async function adopt(adopted: OnionKey, force = false): Promise<Adopted> {
  return await adoptKey({ ini, keyFile, key: adopted, force })
}

async function contents(): Promise<unknown[]> {
  const names = (await readdir(directory)).sort()
  return await Promise.all(names.map(async (name) => [name, (await readFile(join(directory, name))).toString('hex')]))
}

describe('a key that was kept elsewhere', () => {
  it('becomes the relay’s, with its record, and only the relay can read it', async () => {
    expect(await adopt(key)).toEqual({ wasThere: false, aside: undefined, isNamed: false })
    expect(await readFile(keyFile)).toEqual(encodeOnionKey(key))
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
    expect(await readOnionMode(keyFile, key)).toBe('single-hop')
  })

  it('changes nothing when it is there already', async () => {
    await adopt(key)
    const before = await readFile(keyFile)
    expect(await adopt(key)).toMatchObject({ wasThere: true, aside: undefined })
    expect(await readFile(keyFile)).toEqual(before)
  })

  it('belongs to an anonymous service where the relay runs one', async () => {
    await writeFile(ini, '[TOR]\nsingle_hop = off\n')
    await adopt(key)
    expect(await readOnionMode(keyFile, key)).toBe('anonymous')
  })

  it('does not replace another key, nor anything else in its place', async () => {
    for (const present of [encodeOnionKey(other), Buffer.from('something else')]) {
      await writeFile(keyFile, present)
      const before = await contents()
      await expect(adopt(key)).rejects.toMatchObject({ code: 'ONION_KEY_OTHER' })
      expect(await contents()).toEqual(before)
    }
  })

  it('replaces it by force, keeps the other beside it, and puts its name in the place of the other', async () => {
    await writeFile(keyFile, encodeOnionKey(other), { mode: 0o644 })
    await writeOnionRecord(keyFile, other, 'single-hop')
    await writeFile(ini, `[TRANSPORT]\nhost = a.example,${other.hostname},b.example\n`)
    const { aside = '', isNamed } = await adopt(key, true)
    expect(isNamed).toBe(true)
    expect(aside).toMatch(/onion-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.key$/)
    expect((await readOnionKey(aside))?.hostname).toBe(other.hostname)
    expect(await readOnionMode(aside, other)).toBe('single-hop')
    expect((await readOnionKey(keyFile))?.hostname).toBe(key.hostname)
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
    const host = iniValue(await readFile(ini, 'utf8'), 'TRANSPORT', 'host')
    expect(host).toBe(`a.example,${key.hostname},b.example`)
    const second = await adopt(other, true)
    expect(second.aside).not.toBe(aside)
    expect(await readOnionKey(aside)).toBeDefined()
  })

  it('fits the name in the INI file, or takes its place by force', async () => {
    await writeFile(ini, `[TRANSPORT]\nhost = ${other.hostname}\n`)
    const before = await contents()
    await expect(adopt(key)).rejects.toMatchObject({ code: 'HOST_OTHER_ONION' })
    expect(await contents()).toEqual(before)
    expect(await adopt(other)).toMatchObject({ isNamed: true })
    await adopt(key, true)
    expect(iniValue(await readFile(ini, 'utf8'), 'TRANSPORT', 'host')).toBe(key.hostname)
  })

  it('is not wanted where tor keeps the key', async () => {
    await writeFile(ini, '[TOR]\nmode = torrc\n')
    await expect(adopt(key, true)).rejects.toMatchObject({ code: 'ONION_KEY_ELSEWHERE' })
    expect(await readdir(directory)).toEqual(['smp-server.ini'])
  })

  it('has to wait while a name is being replaced', async () => {
    await writeFile(nextKeyFile(keyFile), encodeOnionKey(other))
    const before = await contents()
    await expect(adopt(key, true)).rejects.toMatchObject({ code: 'ROTATION_UNDER_WAY' })
    expect(await contents()).toEqual(before)
  })
})
