import { expect, it } from 'vitest'
import { opensslServerConfig } from '../../../src/crypto/openssl-config.ts'

it('names the server in its request configuration', () => {
  expect(opensslServerConfig('smp.example.org')).toContain('\nCN = smp.example.org\n')
  expect(opensslServerConfig('2001:db8::1')).toContain('\nCN = 2001:db8::1\n')
})

it('does not let a name be read as configuration', () => {
  expect(opensslServerConfig('a$b#c')).toContain('\nCN = a\\$b\\#c\n')
  expect(() => opensslServerConfig('a\n[v3]')).toThrow(RangeError)
})
