import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import type { Settings } from '../../../config/settings.ts'
import { isOnion } from '../../../protocol/host.ts'
import { runCommand } from '../../../system/command.ts'
import type { Finding } from '../finding.ts'
import { FIREWALL_COMMANDS, nftablesAdvice } from '../../firewall-commands.ts'
import { iptablesOutcome } from './iptables.ts'
import { nftOutcome } from './nft.ts'
import type { NewConnection, Outcome } from './walk.ts'

const FAMILIES = ['IPv4', 'IPv6'] as const

/** The rules of this machine's firewall, as its own programs print them. */
interface Rules {
  readonly tables: Readonly<Record<(typeof FAMILIES)[number], readonly string[]>>
  readonly nft: string | undefined
}

/** Whether the firewall of this machine lets clients in. That of a provider cannot be seen from here. */
export async function firewallFinding({ transport }: Settings): Promise<Omit<Finding, 'check'>> {
  const { hosts, ports, webSocketPorts, listenHost } = transport
  if (hosts.every(isOnion) || /^(?:127\.|::1$)/.test(listenHost ?? '')) {
    return { level: 'ok', text: 'No port has to be open to the outside.' }
  }
  const rules = await readRules()
  if (rules === undefined) return { level: 'ok', text: 'Only root can read the rules of the firewall.' }
  const { tables, nft } = rules
  if (nft === undefined && FAMILIES.every((family) => tables[family].length === 0)) {
    return { level: 'ok', text: 'No program of a firewall is installed.' }
  }
  const outside = await outsideInterface()
  const families = FAMILIES.filter((family) => family === 'IPv4' || hasIpv6())
  const wanted = [...new Set([...ports, ...webSocketPorts])]
  const outcomes = wanted.flatMap((port) =>
    families.map((family) => ({ port, family, outcome: outcomeOf(rules, { port, family, interface: outside }) })),
  )
  const blocked = outcomes.filter(({ outcome }) => outcome.type === 'drop')
  const [first] = blocked
  const list = (values: readonly (string | number)[]): string => [...new Set(values)].join(' and ')
  if (first?.outcome.type === 'drop') {
    const shut = list(blocked.map(({ port }) => port))
    const text = `The firewall lets no clients in on port ${shut} (${list(blocked.map(({ family }) => family))}): ${first.outcome.by}.`
    const remedy = `Let them in, as root: ${openingCommands(rules, [...new Set(blocked.map(({ port }) => port))], first.family)}`
    return { level: 'warn', text, remedy }
  }
  const unclear = outcomes.filter(({ outcome }) => outcome.type === 'unknown').map(({ port }) => port)
  if (unclear.length > 0) {
    return {
      level: 'ok',
      text: `The firewall lets some clients in on port ${list(unclear)}, but not clearly all.`,
    }
  }
  return { level: 'ok', text: `The firewall of this machine lets clients in on port ${list(wanted)}.` }
}

function outcomeOf({ tables, nft }: Rules, connection: NewConnection): Outcome {
  const outcomes = tables[connection.family].map((listing) => iptablesOutcome(listing, connection))
  if (nft !== undefined) outcomes.push(nftOutcome(nft, connection, outcomes.length > 0))
  return (
    outcomes.find(({ type }) => type === 'drop') ??
    outcomes.find(({ type }) => type === 'unknown') ?? { type: 'accept' }
  )
}

/** Whether anybody could reach this machine by IPv6. */
function hasIpv6(): boolean {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.some(({ family, internal, scopeid }) => family === 'IPv6' && !internal && scopeid === 0)
}

/** undefined when this user may not read them. */
async function readRules(): Promise<Rules | undefined> {
  if (process.geteuid?.() !== 0) return undefined
  const [IPv4, IPv6] = await Promise.all([
    tablesOf('iptables', 'ip_tables_names'),
    tablesOf('ip6tables', 'ip6_tables_names'),
  ])
  const nft = await output('nft', ['-j', 'list', 'ruleset'])
  return { tables: { IPv4, IPv6 }, nft: nft?.startsWith('{') === true ? nft : undefined }
}

/** The tables of both kernel interfaces; to ask for those of the older one would make them. */
async function tablesOf(program: string, names: string): Promise<string[]> {
  const isOldUsed = /^filter$/m.test(await readFile(`/proc/net/${names}`, 'utf8').catch(() => ''))
  const isNew = (await output(program, ['-V']))?.includes('nf_tables') === true
  const programs = [...(isNew || isOldUsed ? [program] : []), ...(isOldUsed ? [`${program}-legacy`] : [])]
  return (await Promise.all(programs.map((name) => output(name, ['-S'])))).filter((listing) => listing !== undefined)
}

/** undefined when the program is not there, or fails. */
async function output(program: string, args: readonly string[]): Promise<string | undefined> {
  for (const path of [program, `/usr/sbin/${program}`]) {
    const result = await runCommand(path, args).catch(() => undefined)
    if (result) return result.status === 0 ? result.stdout : undefined
  }
  return undefined
}

/** The interface of the default route (proc(5), net/route: the destination is 0). */
async function outsideInterface(): Promise<string | undefined> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '')
  return /^(\S+)\t00000000\t/m.exec(routes)?.[1]
}

/** In the words of whoever made the rules. */
function openingCommands({ tables, nft }: Rules, ports: readonly number[], family: (typeof FAMILIES)[number]): string {
  const listings = FAMILIES.flatMap((name) => tables[name])
  if (listings.some((listing) => listing.includes('ufw-user-input'))) {
    return quoted(FIREWALL_COMMANDS.ufw(ports))
  }
  if (nft?.includes('"name": "firewalld"') === true || nft?.includes('"name":"firewalld"') === true) {
    return quoted([FIREWALL_COMMANDS.firewalld(ports).join(' && ')])
  }
  const isTable = tables[family].some((listing) => /^-P INPUT DROP$|^-A INPUT /m.test(listing))
  if (isTable) {
    const program = family === 'IPv4' ? 'iptables' : 'ip6tables'
    return `${ports.map((port) => `\`${program} -I INPUT -p tcp --dport ${port} -j ACCEPT\``).join(', ')}; the same rule has to stand where the rules are loaded from at boot.`
  }
  return nftablesAdvice(ports)
}

function quoted(commands: readonly string[]): string {
  return commands.map((command) => `\`${command}\``).join(', ')
}
