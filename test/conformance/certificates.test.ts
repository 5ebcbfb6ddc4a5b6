import { describe, expect, it } from 'vitest'
import { openSession } from '../client/connection.ts'
import type { CredentialOptions } from './credentials.ts'
import { pong, withRelay } from './setting.ts'

describe.each<[string, CredentialOptions, number]>([
  ['Ed25519 certificates', { alg: 'ed25519' }, 2],
  ['Ed448 certificates', { alg: 'ed448' }, 2],
  ["an operator's certificate above the identity", { above: 1 }, 3],
  ["an operator's and a network's certificate above the identity", { above: 2 }, 4],
])('a relay with %s', (_, credentials, length) => {
  const setting = withRelay({ credentials })

  it(`shows ${length} certificates, the second of which is its identity, and serves`, async () => {
    const client = await setting.connect()
    expect(client.session.hello.certificateKey?.chain.length).toBe(length)
    expect(await client.ping()).toEqual(pong)
    await expect(openSession({ ...setting.address, keyHash: Buffer.alloc(32) })).rejects.toThrow('identity')
  })
})
