import { mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeDurably } from '../../../../src/system/durable-file.ts'
import type { OnionKey } from '../../../../src/crypto/onion-key.ts'
import { decodeOnionKey, encodeOnionKey, onionKeyFromSecret } from '../../../../src/crypto/onion-key.ts'
import { saveOnionKey, readOnionKey } from '../../../../src/tor/onion/key.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onion-key-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

function someKey(): OnionKey {
  const base64 = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='
  const key = onionKeyFromSecret(Buffer.from(base64, 'base64'))
  if (!key) throw new Error('the key is right')
  return key
}

describe('the key file', () => {
  it('the key file has the 96 bytes of tor’s own format', () => {
    const file = encodeOnionKey(someKey())
    expect(file).toHaveLength(96)
    expect(file.toString('latin1', 0, 32)).toBe('== ed25519v1-secret: type0 ==\0\0\0')
    expect(decodeOnionKey(file)).toEqual(someKey())
  })

  it('a key file that is cut, longer, has another header or no clamped key is refused', () => {
    const file = encodeOnionKey(someKey())
    expect(decodeOnionKey(file.subarray(0, 95))).toBeUndefined()
    expect(decodeOnionKey(Buffer.concat([file, Buffer.alloc(1)]))).toBeUndefined()
    for (const [at, byte] of [
      [0, 0x2d],
      [31, 1],
      [32, file.readUInt8(32) | 1],
      [63, file.readUInt8(63) | 0x80],
      [63, file.readUInt8(63) & 0xbf],
    ] as const) {
      const damaged = Buffer.from(file)
      damaged.writeUInt8(byte, at)
      expect(decodeOnionKey(damaged)).toBeUndefined()
    }
  })

  it('a key is saved with mode 0600 and read again', async () => {
    const path = join(directory, 'onion.key')
    expect(await readOnionKey(path)).toBeUndefined()
    await saveOnionKey(path, someKey())
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readOnionKey(path)).toEqual(someKey())
    expect(await readdir(directory)).toEqual(['onion.key'])
  })

  it('a key file is never replaced', async () => {
    const path = join(directory, 'onion.key')
    await writeFile(path, 'something else')
    await expect(saveOnionKey(path, someKey())).rejects.toMatchObject({ code: 'ONION_KEY_EXISTS' })
    expect(await readFile(path, 'utf8')).toBe('something else')
    expect(await readdir(directory)).toEqual(['onion.key'])
  })

  it('a key file that is damaged, unreadable or unwritable is an error for the operator', async () => {
    const path = join(directory, 'onion.key')
    await writeFile(path, 'x')
    await expect(readOnionKey(path)).rejects.toMatchObject({ code: 'ONION_KEY_DAMAGED' })
    await expect(readOnionKey(directory)).rejects.toMatchObject({ code: 'ONION_KEY_UNREADABLE' })
    await expect(saveOnionKey(join(directory, 'none', 'onion.key'), someKey())).rejects.toMatchObject({
      code: 'ONION_KEY_UNWRITABLE',
    })
  })
})

describe('writing a file durably', () => {
  it('a durable write keeps the mode of the file it replaces, and a symbolic link to it', async () => {
    const path = join(directory, 'smp-server.ini')
    await writeFile(path, 'old', { mode: 0o640 })
    await symlink(path, join(directory, 'link'))
    await writeDurably(join(directory, 'link'), 'new', { mode: 0o600, ifExists: 'replace' })
    expect(await readFile(path, 'utf8')).toBe('new')
    expect((await stat(path)).mode & 0o777).toBe(0o640)
    expect((await readdir(directory)).sort()).toEqual(['link', 'smp-server.ini'])
  })
})
