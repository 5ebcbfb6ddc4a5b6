import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { domainToASCII } from 'node:url'

/**
 * A `lookup` for sockets that never asks DNS for a .onion name (RFC 7686). The name is checked in the form in which the
 * resolver would ask for it: IDNA turns many other characters into letters and dots.
 *
 * @param resolve asked for all other names; DNS when absent
 */
export function guardedLookup(resolve: LookupFunction = lookup): LookupFunction {
  return (hostname, options, callback) => {
    if (!isOnionForDns(hostname)) resolve(hostname, options, callback)
    else callback(Object.assign(new Error('.onion names are not looked up in DNS'), { code: 'ENOTFOUND' }), [])
  }
}

/** Whether a resolver would ask for a name in .onion, or has to guess what the name is. */
export function isOnionForDns(hostname: string): boolean {
  const asked = domainToASCII(hostname)
  return asked === '' || [hostname, asked].some((name) => /(?:^|\.)onion\.*$/i.test(name))
}
