import { lookup } from 'node:dns/promises'
import { isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import type { Settings } from '../../config/settings.ts'
import { isOnion } from '../../protocol/host.ts'
import { type CheckRoute, checkReachability, type CheckResult } from '../../tor/index.ts'
import { socksServer } from '../check-route.ts'
import { readFingerprint } from '../identity.ts'
import type { Finding } from './finding.ts'
import type { RelayFacts } from './relay.ts'

const CHECK = 'host'
const LOOKUP_TIMEOUT_MS = 3000
const CONNECT_TIMEOUT_MS = 5000
/** At most so many addresses of one name are connected to. */
const MAX_ADDRESSES = 8

/**
 * Whether the public hosts lead to this relay, as far as this machine can see: what the name is, and what answers there.
 * An onion address never gets to a name server.
 */
export async function reachFindings(facts: RelayFacts): Promise<Finding[]> {
  const { hosts } = facts.settings.transport
  return (await Promise.all(hosts.filter((host) => !isOnion(host)).map((host) => hostFindings(host, facts)))).flat()
}

async function hostFindings(host: string, facts: RelayFacts): Promise<Finding[]> {
  const route = outgoing(facts.settings)
  // Where all connections go through a proxy, so does the resolution of names.
  const addresses = isIP(host) !== 0 ? [host] : route.type === 'direct' ? await resolved(host) : undefined
  if (addresses?.length === 0) {
    const remedy = `Let the name lead to this machine; \`getent ahosts ${host}\` shows what it is.`
    return [{ check: CHECK, level: 'warn', text: `${host} cannot be resolved on this machine.`, remedy }]
  }
  const where = addresses === undefined ? host : placeText(host, addresses)
  if (facts.pid === undefined) {
    return [{ check: CHECK, level: 'ok', text: `${where}; nothing was connected to, as the relay does not run.` }]
  }
  const keyHash = Buffer.from(await readFingerprint(facts.paths), 'base64url')
  const check = (at: string, port: number): Promise<CheckResult> =>
    checkReachability({ host: at, port, keyHash }, route, { connectTimeoutMs: CONNECT_TIMEOUT_MS })
  const { ports } = facts.settings.transport
  const results = await Promise.all(ports.map((port) => check(host, port)))
  const good = results.filter(({ fault }) => fault === undefined).map(({ port }) => port)
  const faults = results.flatMap((result) => faultOf(result, where, addresses))
  if (good.length > 0) {
    const list = `port${good.length > 1 ? 's' : ''} ${good.join(' and ')}`
    faults.unshift({ check: CHECK, level: 'ok', text: `${where}, and the relay answers there on ${list}.` })
  }
  const [port] = good
  if (port === undefined || addresses === undefined || addresses.length < 2) return faults
  const each = await Promise.all(addresses.slice(0, MAX_ADDRESSES).map((address) => check(address, port)))
  return [...faults, ...each.flatMap((result) => addressFault(host, result))]
}

/** How the relay connects to public hosts. */
function outgoing({ proxy: { socksProxy, socksMode } }: Settings): CheckRoute {
  return socksProxy && socksMode === 'always' ? { type: 'socks', server: socksServer(socksProxy) } : { type: 'direct' }
}

async function resolved(name: string): Promise<string[]> {
  const late = new Promise<never[]>((resolve) => setTimeout(() => resolve([]), LOOKUP_TIMEOUT_MS).unref())
  const found = lookup(name, { all: true }).then(
    (all) => all.map(({ address }) => address),
    (): string[] => [],
  )
  return await Promise.race([found, late])
}

/** Without the full stop. */
function placeText(host: string, addresses: readonly string[]): string {
  const what = isIP(host) === 0 ? `${host} is ${addresses.join(', ')}` : `${host} is in the address`
  const ranges = addresses.map((address) => ipaddr.process(address).range())
  if (ranges.every((range) => range === 'loopback')) return `${what} (only programs of this machine get there)`
  if (ranges.includes('carrierGradeNat'))
    return `${what} (a provider shares it between customers, who cannot be reached)`
  if (addresses.every(isOwn)) return what
  return `${what} (of no interface of this machine: a router or proxy is in between)`
}

function isOwn(address: string): boolean {
  const range = ipaddr.process(address).range()
  return range === 'loopback' || ownAddresses().some((own) => ipaddr.process(own).toString() === normal(address))
}

function normal(address: string): string {
  return ipaddr.process(address).toString()
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
}

/** Something else that answers keeps everybody out; that nothing answers may only be so from here. */
function faultOf({ fault }: CheckResult, where: string, addresses: readonly string[] | undefined): Finding[] {
  if (fault === undefined) return []
  const isOther = fault.step !== 'connect'
  const isHere = addresses?.every(isOwn) === true
  const text = isOther ? fault.message : `${where}. ${fault.message}`
  return [{ check: CHECK, level: isOther || isHere ? 'fail' : 'warn', text, remedy: fault.remedy }]
}

/** One address of a name whose other addresses work, so that only some users notice. */
function addressFault(name: string, { host, fault }: CheckResult): Finding[] {
  if (fault === undefined) return []
  const record = isIPv6(host) ? 'AAAA' : 'A'
  const remedy = `Let ${host} lead to this relay too, or remove that ${record} record of ${name}.`
  const hasIpv6 = ownAddresses().some((own) => isIPv6(own) && ipaddr.process(own).range() !== 'loopback')
  const why = isIPv6(host) && !hasIpv6 ? 'This machine has no IPv6, so this address was not reached.' : fault.message
  return [
    { check: CHECK, level: 'warn', text: `${name} is also ${host}, which does not lead to the relay. ${why}`, remedy },
  ]
}
