import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Global unicast: all of the public internet that has IPv6 (RFC 4291 §2.4). */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')

/** What a resolver takes for an IPv4 address: `127.1`, `2130706433`, `0x7f.1`. No name on the internet ends like that. */
const NUMBER_AT_END = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i
const LOCALHOST = /(?:^|\.)localhost\.?$/i

/**
 * Whether a host is certainly not one of the public internet, in whatever spelling.
 *
 * @param host an IP address without brackets, or a name; whether a name resolves to a private address is not known here
 */
export function isPrivateHost(host: string): boolean {
  return isIP(host) !== 0 ? isPrivateAddress(host) : NUMBER_AT_END.test(host) || LOCALHOST.test(host)
}

/** A `lookup` for sockets that answers with public addresses only, and with an error if there are none. */
export function publicLookup(resolve: LookupFunction = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) {
        callback(error, [])
        return
      }
      const all = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found
      const [first, ...others] = all.filter(({ address }) => !isPrivateAddress(address))
      if (first === undefined) callback(Object.assign(new Error('not a public address'), { code: PRIVATE }), [])
      else if (options.all === true) callback(null, [first, ...others])
      else callback(null, first.address, first.family)
    })
  }
}

/** The code of the error for a name that has private addresses only. */
export const PRIVATE = 'EPRIVATE'

/** Loopback, private, link-local, unspecified, multicast, reserved, or IPv6 that wraps an IPv4 address. */
function isPrivateAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '')
  if (isIP(bare) === 0) return true
  const parsed = ipaddr.parse(bare)
  if (parsed instanceof ipaddr.IPv4) return parsed.range() !== 'unicast'
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().range() !== 'unicast'
  return parsed.range() !== 'unicast' || !parsed.match(GLOBAL_UNICAST)
}
