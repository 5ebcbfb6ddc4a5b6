import { expect, it } from 'vitest'
import { addressPort, addressText } from '../../../src/app/address.ts'
import { parseServerAddress } from '../../../src/protocol/server-address.ts'

const fingerprint = 'rPRNZiDxnsr5kPDUO3_NNKAjpWUJcrZ7G49zV2CSX5k='

it.each([
  [[5223], undefined],
  [[5223, 443], undefined],
  [[443, 5223], undefined],
  [[443], 443],
  [[15223, 25223], 15223],
])('ports %j: the address names %s', (ports, named) => {
  expect(addressPort(ports)).toBe(named)
})

it.each([
  [{ password: 'p#w=', hosts: ['a.example', 'b.onion'], port: undefined }, ':p#w=@a.example,b.onion'],
  [{ password: undefined, hosts: ['a.example', 'b.onion'], port: 15223 }, '@a.example,b.onion:15223'],
  [{ password: undefined, hosts: ['2001:db8::1'], port: 15223 }, '@[2001:db8::1]:15223'],
  [{ password: undefined, hosts: ['2001:db8::1'], port: undefined }, '@2001:db8::1'],
])('%j is an address that clients can read', ({ password, hosts, port }, expected) => {
  const text = addressText({ fingerprint, password, hosts, port })
  expect(text).toBe(`smp://${fingerprint}${expected}`)
  expect(parseServerAddress(text)).toMatchObject({ hosts, port: port === undefined ? '' : String(port) })
})

it('an address without hosts has a placeholder that the operator has to replace', () => {
  expect(addressText({ fingerprint, password: undefined, hosts: [], port: undefined })).toBe(
    `smp://${fingerprint}@<hostnames>`,
  )
})
