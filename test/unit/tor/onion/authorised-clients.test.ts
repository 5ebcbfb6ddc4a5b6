import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newClient, readClients, writeClients } from '../../../../src/tor/onion/authorised-clients.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-clients-'))
})
afterAll(() => rm(directory, { recursive: true }))

function bytesOf(base32: string): Buffer {
  const bits = Array.from(base32, (char) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'),
  )
  return Buffer.from((bits.join('').slice(0, 256).match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)))
}

it('a new client has a secret key that belongs to its public key, both of 32 bytes in base32', () => {
  const { client, secretKey } = newClient('phone')
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), bytesOf(secretKey)])
  const spki = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })).export({
    type: 'spki',
    format: 'der',
  })
  expect([client.name, client.publicKey.length, secretKey.length]).toEqual(['phone', 52, 52])
  expect(bytesOf(client.publicKey)).toEqual(spki.subarray(-32))
})

it('clients are read as they were written, by their owner only; without a file there are none', async () => {
  const path = join(directory, 'clients')
  expect(await readClients(path)).toEqual([])
  const clients = [newClient('a').client, newClient('b.c-d_e').client]
  await writeClients(path, clients)
  expect(await readClients(path)).toEqual(clients)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

it.each(['phone', 'phone ABC', `two words ${'A'.repeat(52)}`, `a ${'A'.repeat(53)}`, `a ${'1'.repeat(52)}`])(
  'a line that is no client is refused with its place: %s',
  async (line) => {
    const path = join(directory, 'damaged')
    await writeFile(path, `${newClient('a').client.name} ${'A'.repeat(52)}\n${line}\n`)
    await expect(readClients(path)).rejects.toMatchObject({
      code: 'CLIENTS_DAMAGED',
      message: `${path}:2 is not a name and a public key.`,
    })
  },
)
