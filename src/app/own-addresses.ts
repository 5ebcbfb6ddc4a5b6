import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'

/** An address of this machine at which others may reach it. */
export interface OwnAddress {
  readonly address: string
  readonly interface: string
  /** `shared`: between customers of a provider (RFC 6598), who cannot be reached from outside. */
  readonly reach: 'public' | 'private' | 'shared'
}

const ORDER = ['public', 'private', 'shared']

/** Without loopback and link-local addresses; public ones first. Nobody outside of this machine is asked. */
export function ownAddresses(interfaces = networkInterfaces()): OwnAddress[] {
  return Object.entries(interfaces)
    .flatMap(([name, addresses]) => (addresses ?? []).flatMap(({ address }) => ownAddress(name, address)))
    .sort((a, b) => ORDER.indexOf(a.reach) - ORDER.indexOf(b.reach))
}

function ownAddress(name: string, text: string): OwnAddress[] {
  const [address = ''] = text.split('%')
  if (!ipaddr.isValid(address)) return []
  const range = ipaddr.process(address).range()
  if (range === 'loopback' || range === 'linkLocal' || range === 'unspecified') return []
  const reach = range === 'unicast' ? 'public' : range === 'carrierGradeNat' ? 'shared' : 'private'
  return [{ address, interface: name, reach }]
}
