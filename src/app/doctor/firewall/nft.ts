import {
  all,
  type Chain,
  type Match,
  matchInterface,
  matchSource,
  type NewConnection,
  not,
  type Outcome,
  type Rule,
  type Verdict,
  walk,
  when,
} from './walk.ts'

/*
 * The rules of nftables, as `nft -j list ruleset` prints them (libnftables-json(5)).
 */

/** Where iptables keeps its chain INPUT. */
const IPTABLES_CHAINS = ['ip\0filter\0INPUT', 'ip6\0filter\0INPUT']

/**
 * What the rules do with a connection: every chain at the hooks that it passes has to let it through.
 *
 * @param isTold whether iptables itself has told its rules, of which nft does not show all
 * @throws SyntaxError when it is no JSON
 */
export function nftOutcome(json: string, connection: NewConnection, isTold: boolean): Outcome {
  const without = isTold ? IPTABLES_CHAINS : []
  const objects = items(property(JSON.parse(json), 'nftables'))
  const of = (kind: string): unknown[] =>
    objects.map((object) => property(object, kind)).filter((found) => found !== undefined)
  const sets = new Map(of('set').map((set) => [keyOf(set, 'name'), items(property(set, 'elem'))]))
  const chains = new Map<string, Chain & { rules: Rule[] }>()
  const begins: string[] = []
  for (const chain of of('chain')) {
    const key = keyOf(chain, 'name')
    const hook = property(chain, 'hook')
    if (hook === undefined) {
      chains.set(key, { rules: [] })
      continue
    }
    const type = property(chain, 'policy') === 'drop' ? 'drop' : 'accept'
    chains.set(key, { rules: [], policy: { type }, policyText: `policy drop of ${key.replaceAll('\0', ' ')}` })
    const isPassed = (hook === 'input' || hook === 'prerouting') && isOfFamily(property(chain, 'family'), connection)
    if (isPassed && property(chain, 'type') === 'filter' && !without.includes(key)) begins.push(key)
  }
  for (const rule of of('rule')) {
    const place = keyOf(rule, 'chain')
    const table = place.slice(0, place.lastIndexOf('\0') + 1)
    const context = { connection, table, sets, text: ruleText(rule) }
    chains.get(place)?.rules.push(...rulesOf(items(property(rule, 'expr')), context))
  }
  const outcomes = begins.map((begin) => walk(begin, chains))
  return (
    outcomes.find(({ type }) => type === 'drop') ??
    outcomes.find(({ type }) => type === 'unknown') ?? { type: 'accept' }
  )
}

function isOfFamily(family: unknown, connection: NewConnection): boolean {
  return family === 'inet' || family === (connection.family === 'IPv4' ? 'ip' : 'ip6')
}

/** Family, table and name. */
function keyOf(object: unknown, name: string): string {
  return [property(object, 'family'), property(object, 'table'), property(object, name)].map(String).join('\0')
}

function ruleText(rule: unknown): string {
  const [family, table, chain, handle] = ['family', 'table', 'chain', 'handle'].map((key) =>
    String(property(rule, key)),
  )
  return `rule ${handle} of ${family} ${table} ${chain}`
}

interface Context {
  readonly connection: NewConnection
  /** Begin of the keys of its chains and sets. */
  readonly table: string
  readonly sets: ReadonlyMap<string, readonly unknown[]>
  readonly text: string
}

/** One rule, or one for each entry of a verdict map. */
function rulesOf(expressions: readonly unknown[], context: Context): Rule[] {
  const matches: Match[] = []
  const { text } = context
  for (const expression of expressions) {
    const map = property(expression, 'vmap')
    if (map !== undefined) return mapRules(map, matches, context)
    const verdict = verdictOf(expression, context)
    if (verdict) return [{ match: all(matches), verdict, text }]
    matches.push(matchOf(expression, context))
  }
  return [{ match: all(matches), verdict: { type: 'none' }, text }]
}

function mapRules(map: unknown, before: readonly Match[], context: Context): Rule[] {
  const entries = items(property(property(map, 'data'), 'set'))
  // A map with a name could do anything.
  if (entries.length === 0) return [{ match: 'maybe', verdict: { type: 'accept' }, text: context.text }]
  return entries.flatMap((entry) => {
    const [value, decision] = items(entry)
    const verdict = verdictOf(decision, context)
    if (!verdict) return []
    const match = all([...before, compare(property(map, 'key'), value, context)])
    return [{ match, verdict, text: context.text }]
  })
}

function verdictOf(expression: unknown, { table }: Context): Verdict | undefined {
  if (has(expression, 'accept')) return { type: 'accept' }
  if (has(expression, 'drop') || has(expression, 'reject')) return { type: 'drop' }
  if (has(expression, 'return')) return { type: 'return' }
  for (const type of ['jump', 'goto'] as const) {
    const target = property(property(expression, type), 'target')
    if (typeof target === 'string') return { type, chain: `${table}${target}` }
  }
  return undefined
}

/** Statements that only count or log are for every packet. */
const WITHOUT_CONDITION = ['counter', 'log', 'mangle', 'comment']

function matchOf(expression: unknown, context: Context): Match {
  const match = property(expression, 'match')
  if (match === undefined) return WITHOUT_CONDITION.some((name) => has(expression, name)) ? 'yes' : 'maybe'
  const found = compare(property(match, 'left'), property(match, 'right'), context)
  return property(match, 'op') === '!=' ? not(found) : found
}

/** Whether what `left` names is `right`, or one of it. */
function compare(left: unknown, right: unknown, context: Context): Match {
  const { connection } = context
  const meta = property(property(left, 'meta'), 'key')
  const ct = property(property(left, 'ct'), 'key')
  const payload = property(left, 'payload')
  const values = valuesOf(right, context)
  if (values === undefined) return 'maybe'
  const any = (is: (value: unknown) => Match): Match => {
    const found = values.map(is)
    return found.includes('yes') ? 'yes' : found.includes('maybe') ? 'maybe' : 'no'
  }
  const isProtocol = (value: unknown): Match => when(value === 'tcp' || value === 6)
  if (meta === 'l4proto') return any(isProtocol)
  if (meta === 'nfproto') return any((value) => when(value === connection.family.toLowerCase()))
  if (meta === 'iifname' || meta === 'iif') return any((value) => matchInterface(String(value), connection))
  if (ct === 'state') return any((value) => when(value === 'new'))
  // Of translated addresses.
  if (ct === 'status') return 'no'
  return payload === undefined ? 'maybe' : comparePayload(payload, any, isProtocol, connection)
}

function comparePayload(
  payload: unknown,
  any: (is: (value: unknown) => Match) => Match,
  isProtocol: (value: unknown) => Match,
  { port, family }: NewConnection,
): Match {
  const protocol = String(property(payload, 'protocol'))
  const field = property(payload, 'field')
  if (protocol === 'tcp' || protocol === 'th')
    return field === 'dport' ? any((value) => when(isWithin(value, port))) : 'maybe'
  if (protocol !== 'ip' && protocol !== 'ip6')
    return /^(?:udp|udplite|sctp|dccp|icmp|icmpv6|esp|ah)$/.test(protocol) ? 'no' : 'maybe'
  if (protocol !== (family === 'IPv4' ? 'ip' : 'ip6')) return 'no'
  if (field === 'protocol' || field === 'nexthdr') return any(isProtocol)
  return field === 'saddr' ? any((value) => matchSource(addressText(value))) : 'maybe'
}

function isWithin(value: unknown, port: number): boolean {
  const [first, last] = items(property(value, 'range'))
  if (first === undefined) return value === port
  return Number(first) <= port && port <= Number(last)
}

function addressText(value: unknown): string {
  const prefix = property(value, 'prefix')
  return prefix === undefined ? String(value) : `${String(property(prefix, 'addr'))}/${String(property(prefix, 'len'))}`
}

/** The values on the right side; undefined for a set that is not in the listing. */
function valuesOf(right: unknown, { sets, table }: Context): readonly unknown[] | undefined {
  if (typeof right === 'string' && right.startsWith('@')) return sets.get(`${table}${right.slice(1)}`)
  const set = property(right, 'set')
  if (set !== undefined) return items(set)
  return Array.isArray(right) ? items(right) : [right]
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function has(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && key in value
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}
