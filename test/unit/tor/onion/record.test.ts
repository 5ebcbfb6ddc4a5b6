import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import {
  modeOfIni,
  type OnionMode,
  readOnionMode,
  recordFile,
  requireMode,
  writeOnionRecord,
} from '../../../../src/tor/onion/record.ts'

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

  it('says in which mode the key is used, to its owner only', async () => {
    expect(await readOnionMode(keyFile, key)).toBeUndefined()
    for (const mode of ['single-hop', 'anonymous'] as const) {
      await writeOnionRecord(keyFile, key, mode)
      expect(await readOnionMode(keyFile, key)).toBe(mode)
    }
    expect((await stat(recordFile(keyFile))).mode & 0o777).toBe(0o600)
    const text = await readFile(join(directory, 'onion.json'), 'utf8')
    expect(JSON.parse(text)).toEqual({
      hostname: key.hostname,
      mode: 'anonymous',
      createdAt: expect.stringMatching(/Z$/) as string,
    })
  })

  it('says nothing about another key, and nothing when it is damaged', async () => {
    await writeOnionRecord(keyFile, generateOnionKey(), 'anonymous')
    expect(await readOnionMode(keyFile, key)).toBeUndefined()
    const { hostname } = key
    for (const text of ['', '{', '[]', JSON.stringify({ hostname, mode: 'both', createdAt: '' })]) {
      await writeFile(recordFile(keyFile), text)
      expect(await readOnionMode(keyFile, key)).toBeUndefined()
    }
  })
})

describe('a key', () => {
  function refusal(used: OnionMode | undefined, wanted: OnionMode): unknown {
    try {
      requireMode(used, wanted, 'FILE')
      return 'used'
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error
    }
  }

  it('of one mode is never used in the other', () => {
    expect(refusal('anonymous', 'single-hop')).toBe('ONION_KEY_ANONYMOUS')
    expect(refusal('single-hop', 'anonymous')).toBe('ONION_KEY_SINGLE_HOP')
    for (const mode of ['single-hop', 'anonymous'] as const) {
      expect(refusal(mode, mode)).toBe('used')
      expect(refusal(undefined, mode)).toBe('used')
    }
  })
})

describe('the mode of the relay', () => {
  it('is what [TOR] single_hop says', () => {
    expect(modeOfIni('')).toBe('single-hop')
    expect(modeOfIni('[TOR]\nsingle_hop = on\n')).toBe('single-hop')
    expect(modeOfIni('[TOR]\nsingle_hop: off\n')).toBe('anonymous')
  })
})
