import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'
import { parseOnionHostname } from '../crypto/onion-address.ts'
import { isOnion } from './host.ts'

/** A host under which clients can reach a relay. */
export interface PublicHost {
  readonly kind: 'ipv4' | 'ipv6' | 'onion' | 'name'
  /** Lower case, without a dot at the end; IPv6 without brackets. */
  readonly host: string
}

/** Why a text is not such a host: a predicate that follows the text in a sentence, without a final stop. */
export interface HostFault {
  readonly fault: string
}

type Check = (text: string) => string | undefined

/**
 * The one check of a relay's own host: a DNS name, an IPv4 or IPv6 address, or the address of a version 3 onion service.
 * Capitals and one dot at the end are repaired; everything else that apps cannot use is refused, with what is wrong.
 */
export function checkHost(text: string): PublicHost | HostFault {
  for (const check of TEXT_CHECKS) {
    const fault = check(text)
    if (fault !== undefined) return { fault }
  }
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIPv6(bare)) return checkIpv6(bare)
  const colon = text.indexOf(':')
  if (colon >= 0) return { fault: portFault(text) }
  const host = text.toLowerCase().replace(/\.$/, '')
  if (parseOnionHostname(`${host}.onion`) !== undefined) return { fault: `is an onion address; write ${host}.onion` }
  if (isNumeric(host)) return checkIpv4(host)
  return isOnion(host) ? checkOnion(host) : checkName(host)
}

const PLACEHOLDER = /[<>{}$]|^@.+@$|^%.+%$|^(?:none|null|nil|undefined|true|false|changeme)$/i
const SHOUTED = /^_*[A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)*_*$/

/** What is wrong with the text as a whole, in the order in which it is most helpful to say it. */
const TEXT_CHECKS: readonly Check[] = [
  (text) => (text === '' ? 'is empty' : undefined),
  (text) => (/["'`\u2018-\u201f\u00ab\u00bb]/.test(text) ? 'contains a quotation mark; write it without' : undefined),
  (text) => (isPlaceholder(text) ? 'is a placeholder that nothing was put in place of' : undefined),
  (text) => (text.startsWith('-') ? 'is an option; the value before it is missing' : undefined),
  (text) => (/\s[#;]/.test(text) ? 'contains a comment; comments need a line of their own' : undefined),
  (text) => (/\s/.test(text) ? 'contains a blank; separate hosts with commas' : undefined),
  (text) => (text.includes(';') ? 'contains ";"; separate hosts with commas' : undefined),
  (text) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? `is a URL; write ${hostOfUrl(text)}` : undefined),
  (text) => (text.includes('@') ? 'contains "@"; write the host only' : undefined),
  (text) => (text.includes('*') ? 'contains a wildcard; apps need one complete name' : undefined),
  (text) => (/^[\d.:a-f[\]]+\/\d+$/i.test(text) ? 'has a network mask; write the address only' : undefined),
  (text) => (/[/\\?#]/.test(text) ? 'has a path; write the host only' : undefined),
  (text) => (/:.*%/.test(text) ? 'has a zone, which means nothing on other machines' : undefined),
]

function isPlaceholder(text: string): boolean {
  return PLACEHOLDER.test(text) || (text.includes('_') && SHOUTED.test(text))
}

function hostOfUrl(text: string): string {
  const host = /^[^:]+:\/\/(?:[^@/]*@)?(\[[^\]]*\]|[^:/?#,]*)/.exec(text)?.[1] ?? ''
  return host === '' ? 'the host only' : `only ${host}`
}

/** For a text with a colon that is no IPv6 address. */
function portFault(text: string): string {
  const [, bracketed, name, port = ''] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d*)$/.exec(text) ?? []
  const host = bracketed ?? name
  if (host !== undefined) return `contains a port; write ${host} here${port === '' ? '' : `, and ${port} in port`}`
  return /:.*:/.test(text) ? 'is not an IPv6 address' : 'contains ":"; write the host only'
}

/** Whether resolvers would read it as an IPv4 address: its last label is a number, decimal or hexadecimal. */
function isNumeric(host: string): boolean {
  return /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(host)
}

function checkIpv4(host: string): PublicHost | HostFault {
  if (!isIPv4(host)) return { fault: 'is not an IPv4 address (four numbers from 0 to 255, without leading zeros)' }
  const fault = rangeFault(ipaddr.IPv4.parse(host).range())
  return fault === undefined ? { kind: 'ipv4', host } : { fault }
}

function checkIpv6(text: string): PublicHost | HostFault {
  const address = ipaddr.IPv6.parse(text)
  if (address.isIPv4MappedAddress()) return { fault: `is an IPv4 address; write ${address.toIPv4Address().toString()}` }
  const fault = rangeFault(address.range())
  return fault === undefined ? { kind: 'ipv6', host: address.toRFC5952String() } : { fault }
}

function rangeFault(range: string): string | undefined {
  if (range === 'unspecified') return 'stands for all addresses of this machine; apps need one that they can reach'
  if (range === 'multicast' || range === 'broadcast') return `is a ${range} address, not that of a machine`
  return undefined
}

function checkOnion(host: string): PublicHost | HostFault {
  const onion = parseOnionHostname(host)
  if (onion !== undefined) return { kind: 'onion', host: onion }
  const id = host.slice(0, -'.onion'.length)
  if (/^[a-z2-7]{16}$/.test(id)) {
    return { fault: 'is a version 2 onion address (16 characters); those no longer exist, so take it out' }
  }
  if (id.includes('.')) return { fault: 'has something in front of the onion address; write the address only' }
  if (!/^[a-z2-7]{56}$/.test(id)) return { fault: 'is not an onion address (56 characters a-z and 2-7, then .onion)' }
  return { fault: 'is mistyped: its checksum is wrong, so copy the onion address again' }
}

function checkName(host: string): PublicHost | HostFault {
  if (/[^\x21-\x7e]/.test(host)) {
    const ascii = domainToASCII(host)
    return { fault: `has characters that DNS cannot carry${ascii === '' ? '' : `; write ${ascii}`}` }
  }
  const strange = /[^a-z0-9._-]/.exec(host)?.[0]
  if (strange !== undefined) return { fault: `contains "${strange}", which no host name has` }
  if (host.length > 253) return { fault: 'is too long: host names have at most 253 characters' }
  const labels = host.split('.')
  if (labels.includes('')) return { fault: 'has a dot without a name before or behind it' }
  if (labels.some((label) => label.length > 63)) return { fault: 'has a part of more than 63 characters' }
  if (labels.some((label) => /^-|-$/.test(label))) return { fault: 'has a part that begins or ends with "-"' }
  return { kind: 'name', host }
}
