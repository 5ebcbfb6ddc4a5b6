import { isPassword } from './basic-auth.ts'
import { canonicalHost, isIpv6Host } from './host.ts'
import { KEY_HASH_SIZE } from './limits.ts'
import { refuse, type Reader } from './reader.ts'
import type { Writer } from './writer.ts'

export const DEFAULT_PORT = 5223

/** Where a relay is and who it is. */
export interface RelayAddress {
  /** SHA-256 of the relay's identity certificate, 32 bytes; of other lengths only when a peer sent nonsense. */
  readonly keyHash: Buffer
  /** Canonical texts, at least one; the first is the primary one. */
  readonly hosts: readonly string[]
  /** As written; empty: 5223. */
  readonly port: string
}

/** The address that users are given. */
export interface ServerAddress extends RelayAddress {
  /** A latin1 byte string. */
  readonly password?: string
}

const ADDRESS = /^smp:\/\/(?<keyHash>[A-Za-z0-9_-]+={0,2})(?::(?<password>[^@:/]+))?@(?<places>.+)$/u
const PORT = /^\d{1,5}$/u

/** The port to connect to, or undefined when the text is not one. */
export function portNumber(port: string): number | undefined {
  if (port === '') return DEFAULT_PORT
  const number = PORT.test(port) ? Number(port) : 0
  return number >= 1 && number <= 65535 ? number : undefined
}

/**
 *     address = "smp://" base64url(keyHash) [ ":" password ] "@" host *( "," host ) [ ":" port ]
 *
 * The padding of the key hash may be missing. An IPv6 host before a port should be in brackets; without them, what reads
 * as one whole address is taken as that.
 */
export function parseServerAddress(text: string): ServerAddress | undefined {
  const parts = ADDRESS.exec(text)?.groups
  if (parts === undefined) return undefined
  const keyHash = Buffer.from(parts.keyHash ?? '', 'base64url')
  if (keyHash.length !== KEY_HASH_SIZE) return undefined
  const password = parts.password && Buffer.from(parts.password, 'utf8').toString('latin1')
  if (password !== undefined && !isPassword(password)) return undefined
  const places = parsePlaces(parts.places ?? '')
  return places && { keyHash, ...(password !== undefined && { password }), ...places }
}

/** Prints the padding of the key hash, and the port only when the address has one. */
export function formatServerAddress({ keyHash, password, hosts, port }: ServerAddress): string {
  const secret = password === undefined ? '' : `:${Buffer.from(password, 'latin1').toString('utf8')}`
  const fingerprint = keyHash.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  const places = hosts.map((host, index) =>
    port !== '' && index === hosts.length - 1 && isIpv6Host(host) ? `[${host}]` : host,
  )
  return `smp://${fingerprint}${secret}@${places.join(',')}${port === '' ? '' : `:${port}`}`
}

/** `address = count 1*short(host) short(port) short(keyHash)` */
export function readRelayAddress(r: Reader): RelayAddress {
  const hosts = r.nonEmpty((item) => canonicalHost(item.shortText()) ?? refuse())
  const port = r.shortLatin1()
  return { hosts, port, keyHash: r.shortCopy() }
}

export function writeRelayAddress(w: Writer, { hosts, port, keyHash }: RelayAddress): void {
  w.nonEmpty(hosts, (host) => w.shortText(host))
    .shortLatin1(port)
    .short(keyHash)
}

function parsePlaces(text: string): { hosts: string[]; port: string } | undefined {
  const places = text.split(',')
  const last = splitPort(places.pop() ?? '')
  const hosts: string[] = []
  for (const place of [...places, last.host]) {
    const host = canonicalHost(place)
    if (host === undefined) return undefined
    hosts.push(host)
  }
  return last.port === '' || portNumber(last.port) !== undefined ? { hosts, port: last.port } : undefined
}

function splitPort(place: string): { host: string; port: string } {
  const colon = place.lastIndexOf(':')
  if (colon < 0 || canonicalHost(place) !== undefined) return { host: place, port: '' }
  const port = place.slice(colon + 1)
  return PORT.test(port) ? { host: place.slice(0, colon), port } : { host: place, port: '' }
}
