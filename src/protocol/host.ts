import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

const IPV4_START = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?!\d)/u
const ONION = /^[a-z0-9]+\.onion$/u
// The grammar allows more, but resolvers and IDNA turn other characters into other names, .onion among them.
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/iu

/**
 * The canonical text of a host (SMP wire format §9), or undefined.
 *
 *     host = IPv4 / IPv6 / "[" IPv6 "]" / 1*( a-z / 0-9 ) ".onion" / name
 *     name = 1*( any character but ":" "#" "," ";" "/" "[" "]" and white space ), not ending in ".onion"
 *
 * Of names only those are taken that DNS can carry as they are: ASCII letters, digits, "-", "_", and no empty label.
 *
 * What begins as an IPv4 address must be one: `192.168.0.1.example` is no name. IPv6 is printed without brackets.
 */
export function canonicalHost(text: string): string | undefined {
  return ipv4(text) ?? ipv6(text) ?? (ONION.test(text) || isName(text) ? text : undefined)
}

/** Whether the host is in the domain that never goes to DNS (RFC 7686), in any spelling that a resolver would take. */
export function isOnion(host: string): boolean {
  return /\.onion\.?$/i.test(host)
}

export function isIpv6Host(host: string): boolean {
  return host.includes(':')
}

function ipv4(text: string): string | undefined {
  const octets = ipv4Start(text)
  if (octets === undefined) return undefined
  const canonical = octets.join('.')
  return /^[\d.]+$/u.test(text) && text.split('.').length === 4 && isIPv4(canonical) ? canonical : undefined
}

function ipv4Start(text: string): number[] | undefined {
  const octets = IPV4_START.exec(text)?.slice(1).map(Number)
  return octets?.every((octet) => octet <= 255) === true ? octets : undefined
}

function ipv6(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  return /^[0-9a-fA-F:.]+$/u.test(bare) && isIPv6(bare) ? ipaddr.IPv6.parse(bare).toRFC5952String() : undefined
}

function isName(text: string): boolean {
  return NAME.test(text) && !text.endsWith('.onion') && ipv4Start(text) === undefined
}
