import { readFile } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import { runCommand } from '../../system/command.ts'
import { errorCode } from '../../system/error-code.ts'
import { bridgesIgnored } from '../onion/service.ts'
import type { ServiceType } from '../onion/service-config.ts'
import { parseTorrc, type TorrcLine } from './torrc-lines.ts'

/*
 * The operator's own lines for a torrc. A tor of the system is started by root and reads them, but whoever may write to
 * the relay's directories can write them: nothing in them may choose a user, a directory, a controller or a program.
 */

export interface TorrcExtra {
  readonly path: string
  /** With line feeds only. */
  readonly text: string
}

/** Options that lead to the network, limit what tor uses, choose relays, or say how much is logged. */
const ALLOWED = new Set(
  `DisableNetwork UseBridges Bridge UpdateBridgesFromAuthority ClientTransportPlugin
   HTTPSProxy HTTPSProxyAuthenticator Socks4Proxy Socks5Proxy Socks5ProxyUsername Socks5ProxyPassword TCPProxy
   ReachableAddresses ReachableDirAddresses ReachableORAddresses FascistFirewall FirewallPorts
   Address OutboundBindAddress OutboundBindAddressExit OutboundBindAddressOR OutboundBindAddressPT
   ClientUseIPv4 ClientUseIPv6 ClientPreferIPv6DirPort ClientPreferIPv6ORPort ClientAutoIPv6ORPort
   ConnectionPadding ReducedConnectionPadding CircuitPadding ReducedCircuitPadding KeepalivePeriod
   AssumeReachable AssumeReachableIPv6 ConfluxEnabled ConfluxClientUX
   EntryNodes ExitNodes MiddleNodes ExcludeNodes ExcludeExitNodes StrictNodes HSLayer2Nodes HSLayer3Nodes NodeFamily
   UseEntryGuards NumEntryGuards NumDirectoryGuards NumPrimaryGuards GuardLifetime VanguardsLiteEnabled
   EnforceDistinctSubnets GeoIPExcludeUnknown PathsNeededToBuildCircuits
   BandwidthRate BandwidthBurst RelayBandwidthRate RelayBandwidthBurst PerConnBWRate PerConnBWBurst ConnLimit
   MaxMemInQueues NumCPUs HardwareAccel AvoidDiskWrites DisableAllSwap Sandbox NoExec
   ConstrainedSockets ConstrainedSockSize
   CircuitBuildTimeout LearnCircuitBuildTimeout CircuitStreamTimeout CircuitsAvailableTimeout MaxCircuitDirtiness
   NewCircuitPeriod MaxClientCircuitsPending SocksTimeout CompiledProofOfWorkHash
   Log SafeLogging LogTimeGranularity LogMessageDomains TruncateLogFile HeartbeatPeriod ProtocolWarnings
   SocksPort SocksPolicy DNSPort HTTPTunnelPort ClientDNSRejectInternalAddresses MapAddress
   AutomapHostsOnResolve AutomapHostsSuffixes PublishHidServDescriptors ClientOnionAuthDir
   DirAuthority AlternateDirAuthority AlternateBridgeAuthority FallbackDir UseDefaultFallbackDirs UseMicrodescriptors
   MetricsPort MetricsPortPolicy`
    .toLowerCase()
    .split(/\s+/),
)

/** So are all options that begin with these, but for those that make a service single-hop. */
const ALLOWED_FAMILIES =
  /^(?:dormant|fetch|pathbias|testing|hiddenservice(?!(?:singlehop|nonanonymous)mode$))[a-z0-9]+$/

/** Programs that come with the system: root alone can change them. */
const SYSTEM_PROGRAM = /^\S+\s+(?:exec\s+\/usr\/(?:local\/)?(?:s?bin|lib|libexec)\/(?!\S*\.\.)\S+|socks[45]\s+\S+)/

/** Options that would open ports, write logs or define services twice, or do not apply to a client. */
const NOT_FOR_CLIENTS = /^(?:(?:socks|trans|natd|dns|httptunnel|or|extor|dir|metrics)port|hiddenservice.*|log)$/

/**
 * Reads the operator's own lines.
 *
 * @throws AppError `TOR_EXTRA_UNREADABLE`, `TOR_EXTRA_OPTION`
 */
export async function readTorrcExtra(path: string, binary = 'tor'): Promise<TorrcExtra> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).replaceAll('\r\n', '\n')
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'does not exist' : 'cannot be read'
    const remedy = 'Correct --torrc-extra, or torrc_extra under [TOR].'
    throw new AppError('TOR_EXTRA_UNREADABLE', `The torrc file ${path} ${why}.`, remedy, { cause: error })
  }
  for (const line of parseTorrc(text, path)) {
    const fault = await faultOf(line, binary)
    if (fault !== undefined)
      throw new AppError('TOR_EXTRA_OPTION', `${path}:${line.first + 1}: ${fault}.`, 'Remove that line.')
  }
  return { path, text }
}

/**
 * A single-hop service ignores bridges and connects directly, which fails where Tor is blocked, and is dangerous where it
 * is forbidden.
 *
 * @throws AppError `BRIDGES_SINGLE_HOP`
 */
export function refuseBridges(extra: TorrcExtra, type: ServiceType): void {
  if (type === 'single-hop' && sets(extra, 'usebridges', 'bridge')) throw bridgesIgnored(extra.path)
}

/** Whether the operator's lines set DisableNetwork; then smp-server does not. */
export function decidesNetwork(extra: TorrcExtra | undefined): boolean {
  return extra !== undefined && sets(extra, 'disablenetwork')
}

/** The operator's lines for a client tor: those that lead to the network, such as bridges and proxies. */
export function clientExtra({ path, text }: TorrcExtra): TorrcExtra {
  const rows: (string | undefined)[] = text.split('\n')
  for (const { name, first, last } of parseTorrc(text, path)) {
    if (NOT_FOR_CLIENTS.test(name)) rows.fill(undefined, first, last + 1)
  }
  return { path, text: rows.filter((row) => row !== undefined).join('\n') }
}

/** @param names in lower case */
function sets({ path, text }: TorrcExtra, ...names: string[]): boolean {
  return parseTorrc(text, path).some(({ name }) => names.includes(name))
}

async function faultOf({ name, value }: TorrcLine, binary: string): Promise<string | undefined> {
  if (name === 'clienttransportplugin' && !SYSTEM_PROGRAM.test(value)) {
    return 'ClientTransportPlugin may only run a program below /usr/bin, /usr/sbin, /usr/lib or /usr/libexec'
  }
  if (name === '%include') return '%include is not allowed here: the lines of the other file would not be checked'
  if (ALLOWED.has(name) || ALLOWED_FAMILIES.test(name)) return undefined
  const meant = await optionMeant(name, binary)
  // Not an option: tor says so itself.
  if (meant === undefined) return undefined
  return meant.toLowerCase() === name ? `${meant} may not be set here` : `${name} is short for ${meant}; write it out`
}

/** What tor would take a name for: it accepts the beginning of a name, too. */
async function optionMeant(name: string, binary: string): Promise<string | undefined> {
  if (!/^[a-z_]\w*$/.test(name)) return name
  const { stdout } = await runCommand(binary, ['--list-torrc-options']).catch(() => ({ stdout: `${name}\n` }))
  const options = stdout.split('\n').filter((option) => option.toLowerCase().startsWith(name))
  return options.find((option) => option.toLowerCase() === name) ?? options[0]
}
