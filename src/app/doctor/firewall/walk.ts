import ipaddr from 'ipaddr.js'

/*
 * What the rules of a firewall do with a new TCP connection from the internet, as far as they can be told. No I/O.
 */

/** A connection that a user of the relay makes. */
export interface NewConnection {
  readonly port: number
  readonly family: 'IPv4' | 'IPv6'
  /** The interface with the default route; undefined when there is none. */
  readonly interface: string | undefined
}

/** Whether a rule is for the connection; `maybe` for what depends on more than is known here. */
export type Match = 'yes' | 'no' | 'maybe'

export type Verdict =
  { readonly type: 'accept' | 'drop' | 'return' | 'none' } | { readonly type: 'jump' | 'goto'; readonly chain: string }

export interface Rule {
  readonly match: Match
  readonly verdict: Verdict
  /** As the operator finds it. */
  readonly text: string
}

export interface Chain {
  readonly rules: readonly Rule[]
  /** Of a chain in which packets begin. */
  readonly policy?: Verdict & { readonly type: 'accept' | 'drop' }
  readonly policyText?: string
}

/** `unknown`: it is dropped, unless an earlier rule lets it in that cannot be decided here. */
export type Outcome = { readonly type: 'accept' | 'unknown' | 'end' } | { readonly type: 'drop'; readonly by: string }

/** More than any firewall nests; chains cannot lead into themselves. */
const MAX_DEPTH = 32

/** Follows a chain and those that it leads to. `end`: nothing was decided. */
export function walk(name: string, chains: ReadonlyMap<string, Chain>, depth = 0): Outcome {
  const chain = chains.get(name)
  if (!chain || depth > MAX_DEPTH) return { type: 'end' }
  let isMaybeOut = false
  const dropped = (by: string): Outcome => (isMaybeOut ? { type: 'unknown' } : { type: 'drop', by })
  for (const { match, verdict, text } of chain.rules) {
    if (match === 'no' || verdict.type === 'none') continue
    const isSure = match === 'yes'
    if (verdict.type === 'jump' || verdict.type === 'goto') {
      const inner = walk(verdict.chain, chains, depth + 1)
      if (inner.type === 'unknown' || (!isSure && inner.type === 'accept')) isMaybeOut = true
      if (!isSure) continue
      if (inner.type === 'accept') return inner
      if (inner.type === 'drop') return dropped(inner.by)
      if (verdict.type === 'goto') break
    } else if (verdict.type === 'drop') {
      // A rule that is for some connections is meant to keep out only those.
      if (isSure) return dropped(text)
    } else if (!isSure) isMaybeOut = true
    else if (verdict.type === 'accept') return { type: 'accept' }
    else break
  }
  if (chain.policy?.type === 'drop') return dropped(chain.policyText ?? '')
  if (chain.policy) return { type: 'accept' }
  return { type: isMaybeOut ? 'unknown' : 'end' }
}

export function not(match: Match): Match {
  return match === 'maybe' ? match : match === 'yes' ? 'no' : 'yes'
}

/** Whether all of the conditions are met. */
export function all(matches: readonly Match[]): Match {
  return matches.includes('no') ? 'no' : matches.includes('maybe') ? 'maybe' : 'yes'
}

export function when(is: boolean): Match {
  return is ? 'yes' : 'no'
}

/** `eth0`, or `eth+` (iptables) and `eth*` (nft) for all whose name begins so. */
export function matchInterface(name: string, connection: NewConnection): Match {
  if (name === 'lo') return 'no'
  if (connection.interface === undefined) return 'maybe'
  const begin = /^(.*)[+*]$/.exec(name)?.[1]
  return when(begin === undefined ? name === connection.interface : connection.interface.startsWith(begin))
}

const PRIVATE = new Set(['private', 'uniqueLocal', 'loopback', 'linkLocal', 'carrierGradeNat'])

/** A source address with or without prefix length: users come from everywhere, but not from private networks. */
export function matchSource(text: string): Match {
  const [address = ''] = text.split('/')
  if (/^(?:0\.0\.0\.0|::)(?:\/0)?$/.test(text)) return 'yes'
  if (!ipaddr.isValid(address)) return 'maybe'
  return PRIVATE.has(ipaddr.process(address).range()) ? 'no' : 'maybe'
}
