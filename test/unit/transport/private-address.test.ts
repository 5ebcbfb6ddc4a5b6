import type { LookupFunction } from 'node:net'
import { describe, expect, it } from 'vitest'
import { isPrivateHost, publicLookup } from '../../../src/transport/private-address.ts'

describe('a host', () => {
  it.each([
    ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.1.1', '172.31.255.255'],
    ...['192.0.0.1', '192.0.2.1', '192.168.0.1', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ...['::', '::1', '::127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1', '100::1', '2001:db8::1', '2002:7f00:1::'],
    ...['2001:0:1::', 'fc00::1', 'fd12::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'],
    ...['127.1', '0x7f.1', '0x7f000001', '2130706433', '017700000001', '1', '0', 'a.127', 'relay.0x1', '127.1.'],
    ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost'],
  ])('is private: %s', (host) => {
    expect(isPrivateHost(host)).toBe(true)
  })

  it.each([
    ...['8.8.8.8', '172.32.0.1', '192.169.0.1', '100.128.0.1', '::ffff:8.8.8.8', '2606:4700::1111', '2a01:4f8::1'],
    ...['smp.example.org', 'localhost.example.org', '1.example', '0x7f.example', `${'a'.repeat(56)}.onion`],
  ])('may be public: %s', (host) => {
    expect(isPrivateHost(host)).toBe(false)
  })
})

describe('a lookup of public addresses', () => {
  const answering = (...addresses: readonly string[]): LookupFunction =>
    publicLookup((_, __, callback) => {
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    })
  const ask = (lookup: LookupFunction, all: boolean): Promise<unknown> =>
    new Promise((resolve, reject) => {
      lookup('relay.example', { all }, (error, found, family) => {
        if (error !== null) reject(error)
        else resolve(typeof found === 'string' ? { address: found, family } : found)
      })
    })

  it('leaves private addresses out', async () => {
    const lookup = answering('10.0.0.1', '2606:4700::1111', '::1', '8.8.8.8')
    expect(await ask(lookup, false)).toEqual({ address: '2606:4700::1111', family: 6 })
    expect(await ask(lookup, true)).toEqual([
      { address: '2606:4700::1111', family: 6 },
      { address: '8.8.8.8', family: 4 },
    ])
  })

  it('fails for a name that has private addresses only, or none', async () => {
    await expect(ask(answering('10.0.0.1', '::ffff:127.0.0.1'), true)).rejects.toMatchObject({ code: 'EPRIVATE' })
    await expect(ask(answering(), false)).rejects.toMatchObject({ code: 'EPRIVATE' })
  })
})
