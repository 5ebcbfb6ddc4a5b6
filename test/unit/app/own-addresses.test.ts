import { expect, it } from 'vitest'
import { ownAddresses } from '../../../src/app/own-addresses.ts'

const interfaceInfo = (address: string): never =>
  ({ address, netmask: '', family: 'IPv4', mac: '', internal: false, cidr: null }) as never

it('addresses of this machine are public, private or shared; public ones come first, loopback and link-local ones are left out', () => {
  const addresses = [
    '127.0.0.1',
    '192.168.1.5',
    '100.64.0.9',
    'fe80::1%eth0',
    'fd00::2',
    '::1',
    '198.51.100.7',
    '2a01:4f8::1',
    '169.254.3.4',
    '8.8.8.8',
  ]
  const found = ownAddresses({ eth0: addresses.map(interfaceInfo) })
  expect(found.map(({ address, reach }) => `${address} ${reach}`)).toEqual([
    '2a01:4f8::1 public',
    '8.8.8.8 public',
    '192.168.1.5 private',
    'fd00::2 private',
    '198.51.100.7 private',
    '100.64.0.9 shared',
  ])
})
