import { AppError } from '../../errors/app-error.ts'
import { runCommand } from '../../system/command.ts'
import type { TorrcExtra } from './torrc.ts'

/*
 * What the operator's own lines may set. A tor of the system is started by root and reads them, but whoever may write to
 * the relay's directories can write them: nothing in them may choose a user, a directory, a controller or a program.
 */

/** Options of tor that lead to the network, limit what tor uses, choose relays, or say how much is logged. */
const ALLOWED: readonly RegExp[] = [
  /^(?:disablenetwork|usebridges|bridge|updatebridgesfromauthority|clienttransportplugin)$/,
  /^(?:httpsproxy|httpsproxyauthenticator|socks4proxy|socks5proxy|socks5proxyusername|socks5proxypassword|tcpproxy)$/,
  /^(?:reachable(?:or|dir)?addresses|fascistfirewall|firewallports|outboundbindaddress(?:or|exit|pt)?|address)$/,
  /^(?:clientuseipv[46]|clientpreferipv6(?:or|dir)port|clientautoipv6orport|connectionpadding|reducedconnectionpadding)$/,
  /^(?:circuitpadding|reducedcircuitpadding|keepaliveperiod|dormant\w+|assumereachable(?:ipv6)?)$/,
  /^(?:entrynodes|exitnodes|middlenodes|excludenodes|excludeexitnodes|strictnodes|hslayer[23]nodes|nodefamily)$/,
  /^(?:useentryguards|numentryguards|numdirectoryguards|numprimaryguards|guardlifetime|vanguardsliteenabled|pathbias\w+)$/,
  /^(?:enforcedistinctsubnets|geoipexcludeunknown|pathsneededtobuildcircuits)$/,
  /^(?:bandwidthrate|bandwidthburst|relaybandwidthrate|relaybandwidthburst|perconnbwrate|perconnbwburst|connlimit)$/,
  /^(?:maxmeminqueues|numcpus|hardwareaccel|avoiddiskwrites|disableallswap|sandbox|noexec|constrainedsockets|constrainedsocksize)$/,
  /^(?:circuitbuildtimeout|learncircuitbuildtimeout|circuitstreamtimeout|circuitsavailabletimeout|maxcircuitdirtiness)$/,
  /^(?:newcircuitperiod|maxclientcircuitspending|socksTimeout|compiledproofofworkhash)$/i,
  /^(?:log|safelogging|logtimegranularity|logmessagedomains|truncatelogfile|heartbeatperiod|protocolwarnings)$/,
  /^(?:sockspolicy|socksport|dnsport|httptunnelport|clientdnsrejectinternaladdresses|mapaddress|automaphosts\w+)$/,
  /^(?:hiddenservice(?!singlehopmode|nonanonymousmode)\w+|publishhidservdescriptors|clientonionauthdir)$/,
  /^(?:dirauthority|alternate(?:dir|bridge)authority|fallbackdir|usedefaultfallbackdirs|usemicrodescriptors|fetch\w+)$/,
  /^(?:testing\w+|metricsport|metricsportpolicy)$/,
]

/** Programs that come with the system: root alone can change them. */
const SYSTEM_PROGRAM = /^\S+\s+(?:exec\s+\/usr\/(?:local\/)?(?:s?bin|lib|libexec)\/(?!\S*\.\.)\S+|socks[45]\s+\S+)/

/** @throws AppError `TOR_EXTRA_OPTION` */
export async function requireAllowedOptions(extra: TorrcExtra, binary = 'tor'): Promise<void> {
  for (const { line, name, value } of optionLines(extra.text)) {
    const fault = await faultOf(name, value, binary)
    if (fault !== undefined)
      throw new AppError('TOR_EXTRA_OPTION', `${extra.path}:${line}: ${fault}.`, 'Remove that line.')
  }
}

async function faultOf(name: string, value: string, binary: string): Promise<string | undefined> {
  if (name === 'clienttransportplugin' && !SYSTEM_PROGRAM.test(value)) {
    return 'ClientTransportPlugin may only run a program below /usr/bin, /usr/sbin, /usr/lib or /usr/libexec'
  }
  if (name === '%include') return '%include is not allowed here: the lines of the other file would not be checked'
  if (ALLOWED.some((pattern) => pattern.test(name))) return undefined
  const meant = await optionsOf(name, binary)
  // Not an option: tor says so itself.
  if (meant.length === 0) return undefined
  const isShort = meant.length === 1 && meant[0]?.toLowerCase() !== name
  return isShort ? `${name} is short for ${meant[0]}; write it out` : `${meant[0] ?? name} may not be set here`
}

/** What tor would take a name for: it accepts the beginning of a name, too. */
async function optionsOf(name: string, binary: string): Promise<string[]> {
  if (!/^[a-z_]\w*$/.test(name)) return [name]
  const { stdout } = await runCommand(binary, ['--list-torrc-options']).catch(() => ({ stdout: `${name}\n` }))
  const options = stdout.split('\n').filter((option) => option.toLowerCase().startsWith(name))
  return options
    .filter((option) => option.toLowerCase() === name)
    .concat(options)
    .slice(0, 1)
}

interface OptionLine {
  /** From 1. */
  readonly line: number
  /** In lower case. */
  readonly name: string
  readonly value: string
}

/** As tor reads them: a line that ends in a backslash goes on in the next one. */
function optionLines(text: string): OptionLine[] {
  const found: OptionLine[] = []
  let line = 1
  for (const whole of text.replaceAll('\r\n', '\n').split(/(?<!\\)\n/)) {
    const [, name = '', value = ''] = /^[\s+/]*(\S*)\s*([^]*)$/.exec(whole) ?? []
    if (name !== '' && !name.startsWith('#')) found.push({ line, name: name.toLowerCase(), value })
    line += whole.split('\n').length
  }
  return found
}
