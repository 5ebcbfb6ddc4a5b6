import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import {
  onionRecordText,
  readServiceType,
  recordFile,
  requireServiceType,
  writeOnionRecord,
} from '../../../../src/tor/onion/record.ts'
import type { ServiceType } from '../../../../src/tor/onion/service-config.ts'
import { modeOfIni, serviceTypeOf, torModeOf } from '../../../../src/tor/onion/tor-mode.ts'

let directory: string
let keyFile: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-record-'))
  keyFile = join(directory, 'onion.key')
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

describe('the record beside a key', () => {
  const key = generateOnionKey()

  it('the record of a key has its service type, and only its owner may read it', async () => {
    expect(await readServiceType(keyFile, key)).toBeUndefined()
    for (const type of ['single-hop', 'anonymous'] as const) {
      await writeOnionRecord(keyFile, key, type)
      expect(await readServiceType(keyFile, key)).toBe(type)
    }
    expect((await stat(recordFile(keyFile))).mode & 0o777).toBe(0o600)
    const text = await readFile(join(directory, 'onion.json'), 'utf8')
    expect(JSON.parse(text)).toEqual({
      hostname: key.hostname,
      serviceType: 'anonymous',
      createdAt: expect.stringMatching(/Z$/) as string,
    })
  })

  it('a new service type keeps the mode and the instance that the setup recorded', async () => {
    const record = { hostname: key.hostname, serviceType: 'single-hop', mode: 'system', instance: 'x' } as const
    await writeFile(recordFile(keyFile), onionRecordText({ ...record, createdAt: '2025-01-31T12:00:00.000Z' }))
    await writeOnionRecord(keyFile, key, 'anonymous')
    const written: unknown = JSON.parse(await readFile(recordFile(keyFile), 'utf8'))
    expect(written).toMatchObject({ serviceType: 'anonymous', mode: 'system', instance: 'x' })
  })

  it('a record of another key does not count, nor one that is damaged', async () => {
    await writeOnionRecord(keyFile, generateOnionKey(), 'anonymous')
    expect(await readServiceType(keyFile, key)).toBeUndefined()
    const { hostname } = key
    for (const text of ['', '{', '[]', JSON.stringify({ hostname, serviceType: 'both', createdAt: '' })]) {
      await writeFile(recordFile(keyFile), text)
      expect(await readServiceType(keyFile, key)).toBeUndefined()
    }
  })
})

describe('a key', () => {
  function refusal(used: ServiceType | undefined, wanted: ServiceType): unknown {
    try {
      requireServiceType(used, wanted, 'FILE')
      return 'used'
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error
    }
  }

  it('a key of one service type is never used with the other', () => {
    expect(refusal('anonymous', 'single-hop')).toBe('ONION_KEY_ANONYMOUS')
    expect(refusal('single-hop', 'anonymous')).toBe('ONION_KEY_SINGLE_HOP')
    for (const type of ['single-hop', 'anonymous'] as const) {
      expect(refusal(type, type)).toBe('used')
      expect(refusal(undefined, type)).toBe('used')
    }
  })
})

describe('which tor carries the service', () => {
  it('the service type is what [TOR] single_hop says, else what was recorded, else single-hop', () => {
    expect(serviceTypeOf('', undefined)).toBe('single-hop')
    expect(serviceTypeOf('', { serviceType: 'anonymous' })).toBe('anonymous')
    expect(serviceTypeOf('[TOR]\nsingle_hop = on\n', { serviceType: 'anonymous' })).toBe('single-hop')
    expect(serviceTypeOf('[TOR]\nsingle_hop: off\n', undefined)).toBe('anonymous')
  })

  it('the mode is what [TOR] mode says, else what was recorded, else own when there is a key', () => {
    expect(modeOfIni('[TOR]\nmode: torrc\n')).toBe('torrc')
    expect(modeOfIni('[TOR]\n')).toBeUndefined()
    expect(torModeOf('own', { mode: 'system' }, true)).toBe('own')
    expect(torModeOf(undefined, { mode: 'system' }, true)).toBe('system')
    expect(torModeOf(undefined, {}, true)).toBe('own')
    expect(torModeOf(undefined, undefined, false)).toBeUndefined()
  })
})
