import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../../../src/config/ini.ts'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { nextKeyFile, readOnionKey } from '../../../../src/tor/onion/key.ts'
import { readServiceType } from '../../../../src/tor/onion/record.ts'
import { abortRotation, beginRotation, finishRotation } from '../../../../src/tor/setup/rotate.ts'
import { SetupJournal } from '../../../../src/tor/setup/journal.ts'

let directory: string
let files: { ini: string; keyFile: string }
const key = generateOnionKey()
const text = `[TRANSPORT]\nhost: a.example, ${key.hostname} ,b.example\n`
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-rotate-'))
  files = { ini: join(directory, 'smp-server.ini'), keyFile: join(directory, 'onion.key') }
  await writeFile(files.ini, text)
  await writeFile(files.keyFile, encodeOnionKey(key))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

const host = async (): Promise<string | undefined> => iniValue(await readFile(files.ini, 'utf8'), 'TRANSPORT', 'host')

async function contents(): Promise<unknown[]> {
  const names = (await readdir(directory)).sort()
  return await Promise.all(names.map(async (name) => [name, (await readFile(join(directory, name))).toString('hex')]))
}

describe('a rotation', () => {
  it('a rotation creates a new key beside the old one, and adds its address after the old one', async () => {
    const { next, wasBegun } = await beginRotation(files)
    expect(wasBegun).toBe(false)
    expect(await host()).toBe(`a.example,${key.hostname},${next.hostname},b.example`)
    expect((await readOnionKey(files.keyFile))?.hostname).toBe(key.hostname)
    expect((await readOnionKey(nextKeyFile(files.keyFile)))?.hostname).toBe(next.hostname)
    expect(await readServiceType(nextKeyFile(files.keyFile), next)).toBe('single-hop')
  })

  it('a rotation in progress is not started again', async () => {
    const { next } = await beginRotation(files)
    const before = await readFile(files.ini, 'utf8')
    const again = await beginRotation(files)
    expect(again).toMatchObject({ wasBegun: true, next: { hostname: next.hostname } })
    expect(await readFile(files.ini, 'utf8')).toBe(before)
  })

  it('a finished rotation leaves only the new address', async () => {
    const { next } = await beginRotation(files)
    await finishRotation(files)
    expect(await host()).toBe(`a.example,${next.hostname},b.example`)
    expect((await readOnionKey(files.keyFile))?.hostname).toBe(next.hostname)
    expect(await readServiceType(files.keyFile, next)).toBe('single-hop')
    expect((await readdir(directory)).filter((name) => name.includes('next'))).toEqual([])
    await expect(finishRotation(files)).rejects.toMatchObject({ code: 'ROTATION_NONE' })
  })

  it('an aborted rotation leaves every byte as it was', async () => {
    const before = await contents()
    await beginRotation(files)
    await abortRotation(files)
    expect(await contents()).toEqual(before)
    await expect(abortRotation(files)).rejects.toMatchObject({ code: 'ROTATION_NONE' })
  })

  it('an aborted rotation keeps later edits of the INI file', async () => {
    await beginRotation(files)
    await writeFile(files.ini, `; mine\n${(await readFile(files.ini, 'utf8')).replace('b.example', 'c.example')}`)
    await abortRotation(files)
    expect(await host()).toBe(`a.example,${key.hostname},c.example`)
    expect((await SetupJournal.open(files.keyFile)).entries).toEqual([])
  })

  it('an interrupted rotation continues where it stopped', async () => {
    const { next } = await beginRotation(files)
    const both = await readFile(files.ini, 'utf8')
    await writeFile(files.ini, text)
    expect((await beginRotation(files)).next.hostname).toBe(next.hostname)
    expect(await readFile(files.ini, 'utf8')).toBe(both)
    await writeFile(files.ini, both.replace(`${key.hostname},`, ''))
    await finishRotation(files)
    expect(await host()).toBe(`a.example,${next.hostname},b.example`)
    expect((await readOnionKey(files.keyFile))?.hostname).toBe(next.hostname)
  })

  it('a rotation is refused without a key, or without its address in host', async () => {
    await writeFile(files.ini, '[TRANSPORT]\nhost = a.example\n')
    const before = await contents()
    await expect(beginRotation(files)).rejects.toMatchObject({ code: 'ROTATION_HOST' })
    expect(await contents()).toEqual(before)
    await rm(files.keyFile)
    await expect(beginRotation(files)).rejects.toMatchObject({ code: 'ONION_KEY_MISSING' })
  })
})
