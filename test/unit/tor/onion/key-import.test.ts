import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseForeignKey, readForeignKey } from '../../../../src/tor/onion/key-import.ts'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { publicKeyOf } from '../../../../src/crypto/onion-address.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-key-'))
  path = join(directory, 'hs_ed25519_secret_key')
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

// As a control port gave them.
const base64 = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='
const hostname = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
const key = parseForeignKey(Buffer.from(base64), 'vector')
const file = encodeOnionKey(key)
const publicFile = (publicKey: Buffer): Buffer =>
  Buffer.concat([Buffer.from('== ed25519v1-public: type0 ==\0\0\0', 'latin1'), publicKey])

function fault(bytes: Buffer | string): unknown {
  try {
    return parseForeignKey(Buffer.from(bytes), 'FILE').hostname
  } catch (error) {
    return error instanceof Error ? error.message : error
  }
}

describe('a key of another program', () => {
  it('an onion key is read in tor’s file format and in that of its control port', () => {
    for (const bytes of [file, base64, `ED25519-V3:${base64}`, `ED25519-V3:${base64}\n`, `  ${base64}\r\n`]) {
      expect(fault(bytes)).toBe(hostname)
    }
  })

  it('a file that is not an onion key is refused with what it is instead', () => {
    const changed = (at: number, byte: number): Buffer => {
      const copy = Buffer.from(file)
      copy.writeUInt8(byte, at)
      return copy
    }
    const cases: [Buffer | string, string][] = [
      [file.subarray(0, 95), 'FILE has 95 bytes, but a key file has 96.'],
      [file.subarray(0, 40), 'FILE has 40 bytes, but a key file has 96.'],
      [Buffer.concat([file, Buffer.from('\n')]), 'FILE has 97 bytes, but a key file has 96.'],
      [file.toString('latin1').replace('type0', 'type1'), 'FILE holds an Ed25519 key of an unknown type.'],
      [publicFile(publicKeyOf(key.secret)), 'FILE holds only the public key.'],
      [changed(32, file.readUInt8(32) | 1), 'FILE is damaged: these bytes are not an Ed25519 secret key.'],
      [changed(63, file.readUInt8(63) | 0x80), 'FILE is damaged: these bytes are not an Ed25519 secret key.'],
      [changed(31, 1), 'FILE is damaged: these bytes are not an Ed25519 secret key.'],
      [Buffer.alloc(64, 3).toString('base64'), 'FILE is damaged: these bytes are not an Ed25519 secret key.'],
      ['age-encryption.org/v1\n-> scrypt', 'FILE is an encrypted backup.'],
      ['-----BEGIN AGE ENCRYPTED FILE-----\n', 'FILE is an encrypted backup.'],
      [
        '-----BEGIN RSA PRIVATE KEY-----\n',
        'FILE is the key of a version 2 onion service, which Tor no longer supports.',
      ],
      [`RSA1024:${base64}`, 'FILE is not the secret key of an onion service.'],
      [base64.slice(0, -4), 'FILE is not the secret key of an onion service.'],
      [key.secret, 'FILE is not the secret key of an onion service.'],
      [hostname, 'FILE is not the secret key of an onion service.'],
    ]
    for (const [bytes, message] of cases) expect(fault(bytes)).toBe(message)
  })

  it('a key may be in any directory, whatever other file is called hostname there', async () => {
    await writeFile(path, file)
    await writeFile(join(directory, 'hostname'), 'relay.example\n')
    expect((await readForeignKey(path)).hostname).toBe(hostname)
  })

  it('a key must match the hostname and the public key beside it', async () => {
    await writeFile(path, file)
    await writeFile(join(directory, 'hostname'), `${hostname}\n`)
    await writeFile(join(directory, 'hs_ed25519_public_key'), publicFile(publicKeyOf(key.secret)))
    expect((await readForeignKey(path)).hostname).toBe(hostname)
    const other = generateOnionKey()
    await writeFile(join(directory, 'hs_ed25519_public_key'), publicFile(publicKeyOf(other.secret)))
    await expect(readForeignKey(path)).rejects.toMatchObject({
      code: 'ONION_KEY_NAME',
      message: `${path} is the key of ${hostname}, but hs_ed25519_public_key beside it belongs to ${other.hostname}.`,
    })
    await writeFile(join(directory, 'hostname'), `${other.hostname}\n`)
    await expect(readForeignKey(path)).rejects.toMatchObject({
      message: `${path} is the key of ${hostname}, but hostname beside it belongs to ${other.hostname}.`,
    })
  })

  it('a key must be a small regular file', async () => {
    const refusals: [string, string][] = [
      [join(directory, 'none'), 'FILE_MISSING'],
      [join(path, 'below'), 'FILE_MISSING'],
      [directory, 'FILE_KIND'],
      ['/dev/zero', 'FILE_KIND'],
    ]
    await writeFile(path, '')
    refusals.push([path, 'FILE_EMPTY'])
    const large = join(directory, 'large')
    await writeFile(large, Buffer.alloc(20_000))
    refusals.push([large, 'FILE_TOO_LONG'])
    await mkdir(join(directory, 'service'))
    refusals.push([join(directory, 'service'), 'FILE_KIND'])
    for (const [refused, code] of refusals) {
      await expect(readForeignKey(refused)).rejects.toMatchObject({
        code,
        remedy: expect.stringContaining('.') as string,
      })
    }
  })
})

describe('a new key', () => {
  it('a generated key is random and valid for tor', () => {
    const [one, two] = [generateOnionKey(), generateOnionKey()]
    expect(one.hostname).not.toBe(two.hostname)
    expect(fault(encodeOnionKey(one))).toBe(one.hostname)
  })
})
