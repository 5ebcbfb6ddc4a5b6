import { describe, expect, it } from 'vitest'
import { iniHosts, requireSameOnion, withOnionHost } from '../../../src/config/ini-hosts.ts'
import type { OnionHostname } from '../../../src/crypto/onion-address.ts'
import { parseOnionHostname } from '../../../src/crypto/onion-address.ts'

function hostname(text: string): OnionHostname {
  const onion = parseOnionHostname(text)
  if (!onion) throw new Error('not an onion name')
  return onion
}
const onion = hostname('elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion')
const other = hostname('opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd.onion')

const ini = (host: string): string => `; mine\r\n[TRANSPORT]\r\n# host = sample\r\nhost${host}\r\nport = 5223,443\r\n`

describe('[TRANSPORT] host', () => {
  it.each([
    [' = relay.example', ` = relay.example,${onion}`],
    [': relay.example, 192.0.2.1', `: relay.example,192.0.2.1,${onion}`],
    [' = <hostnames>', ` = ${onion}`],
    [' = ', ` = ${onion}`],
  ])('%j becomes %j, and every other byte stays', (before, after) => {
    expect(withOnionHost(ini(before), onion)).toBe(ini(after))
  })

  it('stays as it is if it has the onion address already', () => {
    for (const host of [` = relay.example,${onion}`, ` = ${onion.toUpperCase()} , relay.example`]) {
      expect(withOnionHost(ini(host), onion)).toBe(ini(host))
    }
  })

  it('gets a line of its own if there is none', () => {
    expect(iniHosts(withOnionHost('[TRANSPORT]\nport = 5223\n', onion))).toEqual({ hosts: [onion], onion })
    expect(iniHosts(withOnionHost('', onion)).onion).toBe(onion)
  })

  it('with the address of another onion service is not changed', () => {
    const text = ini(` = relay.example,${other}`)
    expect(() => withOnionHost(text, onion)).toThrow(expect.objectContaining({ code: 'HOST_OTHER_ONION' }) as Error)
    expect(() => requireSameOnion(text, onion)).toThrow(other)
    expect(() => requireSameOnion(text, undefined)).toThrow(other)
    expect(() => requireSameOnion(text, other)).not.toThrow()
    expect(() => requireSameOnion(ini(' = relay.example'), onion)).not.toThrow()
  })
})
