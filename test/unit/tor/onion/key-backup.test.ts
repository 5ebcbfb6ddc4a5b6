import { armor, Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption'
import { describe, expect, it } from 'vitest'
import { openKeyBackup, sealKeyBackup } from '../../../../src/tor/onion/key-backup.ts'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'

const key = generateOnionKey()
const passphrase = 'four words at random'

/** As `age -p` makes it, but with less work for the guesser. */
async function sealed(content: Uint8Array, words = passphrase): Promise<Buffer> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(words)
  encrypter.setScryptWorkFactor(4)
  return Buffer.from(await encrypter.encrypt(content))
}

async function fault(file: Uint8Array, words = passphrase): Promise<unknown> {
  return await openKeyBackup(file, words, 'FILE').then(
    ({ hostname }) => hostname,
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )
}

describe('a backup of the key', () => {
  it('a key backup is an age file around tor’s own key file', async () => {
    const file = await sealKeyBackup(key, passphrase)
    expect(file.toString('latin1')).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S{22} 18\n/)
    const decrypter = new Decrypter()
    decrypter.addPassphrase(passphrase)
    expect(Buffer.from(await decrypter.decrypt(file))).toEqual(encodeOnionKey(key))
    expect(await fault(file)).toBe(key.hostname)
  })

  it('an armored key backup is opened, too', async () => {
    const text = armor.encode(await sealed(encodeOnionKey(key)))
    expect(await fault(Buffer.from(text))).toBe(key.hostname)
    expect(await fault(Buffer.from(text.slice(0, -60)))).toBe('BACKUP_DAMAGED')
  })

  it('a key backup is not opened by another passphrase', async () => {
    const file = await sealed(encodeOnionKey(key))
    expect(await fault(file, 'five words at random')).toBe('BACKUP_PASSPHRASE')
    expect(await fault(file, '')).toBe('BACKUP_PASSPHRASE')
  })

  it('a truncated key backup is damaged, never a key', async () => {
    const file = await sealed(encodeOnionKey(key))
    for (let length = 0; length < file.length; length += 1) {
      expect([length, await fault(file.subarray(0, length))]).toEqual([length, 'BACKUP_DAMAGED'])
    }
    expect(await fault(Buffer.concat([file, Buffer.from('x')]))).toBe('BACKUP_DAMAGED')
  })

  it('a key backup with one flipped bit is never a key', async () => {
    const file = await sealed(encodeOnionKey(key))
    for (let at = 0; at < file.length; at += 1) {
      const changed = Buffer.from(file)
      changed.writeUInt8(file.readUInt8(at) ^ 1, at)
      expect(['BACKUP_DAMAGED', 'BACKUP_PASSPHRASE', 'BACKUP_KIND']).toContain(await fault(changed))
    }
  })

  it('an age file with other content or for another recipient is refused as such', async () => {
    expect(await fault(await sealed(encodeOnionKey(key).subarray(0, 95)))).toBe('BACKUP_CONTENT')
    expect(await fault(await sealed(Buffer.alloc(0)))).toBe('BACKUP_CONTENT')
    const encrypter = new Encrypter()
    encrypter.addRecipient(await identityToRecipient(await generateIdentity()))
    expect(await fault(await encrypter.encrypt(encodeOnionKey(key)))).toBe('BACKUP_KIND')
    for (const other of [encodeOnionKey(key), Buffer.from('PK\x03\x04'), Buffer.from('age-encryption.org/v2\n')]) {
      expect(await fault(other)).toBe('BACKUP_KIND')
    }
  })

  it('a key backup with an excessive work factor is refused', async () => {
    const file = (await sealed(encodeOnionKey(key))).toString('latin1').replace(/ 4\n/, ' 30\n')
    expect(await fault(Buffer.from(file, 'latin1'))).toBe('BACKUP_DAMAGED')
  })
})
