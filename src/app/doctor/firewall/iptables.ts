import {
  all,
  type Chain,
  type Match,
  matchInterface,
  matchSource,
  type NewConnection,
  not,
  type Rule,
  type Verdict,
  walk,
  type Outcome,
  when,
} from './walk.ts'

/**
 * What the rules that `iptables -S` or `ip6tables -S` prints do with a connection.
 *
 *     line = "-P" chain policy / "-N" chain / "-A" chain *( [ "!" ] option *value ) [ ( "-j" / "-g" ) target *rest ]
 */
export function iptablesOutcome(listing: string, connection: NewConnection): Outcome {
  const chains = new Map<string, { rules: Rule[]; policy?: Chain['policy'] & object; policyText?: string }>()
  const lines = listing.split('\n').map((line) => ({ line, words: wordsOf(line) }))
  for (const { line, words } of lines) {
    const [kind, name = '', policy] = words
    if (kind === '-N') chains.set(name, { rules: [] })
    if (kind === '-P')
      chains.set(name, { rules: [], policy: { type: policy === 'ACCEPT' ? 'accept' : 'drop' }, policyText: line })
  }
  for (const { line, words } of lines) {
    const [kind, name = '', ...rest] = words
    if (kind === '-A') chains.get(name)?.rules.push(ruleOf(line, rest, connection, (chain) => chains.has(chain)))
  }
  return walk('INPUT', chains)
}

/** Words, of which some stand in double quotes. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

function ruleOf(
  text: string,
  words: readonly string[],
  connection: NewConnection,
  isChain: (name: string) => boolean,
): Rule {
  const matches: Match[] = []
  let isNot = false
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '!') {
      isNot = true
      continue
    }
    const target = words[index + 1] ?? ''
    if (word === '-j' || word === '-g') {
      const type = word === '-g' ? 'goto' : 'jump'
      const verdict: Verdict = isChain(target) ? { type, chain: target } : targetVerdict(target)
      // What a queue of another program decides is not known.
      if (target === 'NFQUEUE' || target === 'QUEUE') matches.push('maybe')
      return { match: all(matches), verdict, text }
    }
    const values: string[] = []
    while (index + 1 < words.length && !/^(?:-|!$)/.test(words[index + 1] ?? '')) values.push(words[++index] ?? '')
    const match = matchOption(word, values, connection)
    matches.push(isNot ? not(match) : match)
    isNot = false
  }
  return { match: all(matches), verdict: { type: 'none' }, text }
}

function targetVerdict(target: string): Verdict {
  if (target === 'ACCEPT' || target === 'NFQUEUE' || target === 'QUEUE') return { type: 'accept' }
  if (target === 'DROP' || target === 'REJECT') return { type: 'drop' }
  return { type: target === 'RETURN' ? 'return' : 'none' }
}

function matchOption(option: string, values: readonly string[], connection: NewConnection): Match {
  const [value = '', flags = ''] = values
  switch (option) {
    // The name of a module, whose options follow.
    case '-m':
    case '--comment':
      return 'yes'
    case '-p':
      return when(value === 'tcp' || value === 'all')
    case '--dport':
    case '--dports':
      return when(value.split(',').some((range) => isWithin(range, connection.port)))
    case '-i':
      return matchInterface(value, connection)
    case '-s':
      return matchSource(value)
    case '--state':
    case '--ctstate':
      return when(value.split(',').includes('NEW'))
    case '--dst-type':
      return when(value.split(',').includes('LOCAL'))
    case '--tcp-flags':
      return flags === 'SYN' && value.includes('SYN') ? 'yes' : 'maybe'
    default:
      return 'maybe'
  }
}

/** `5223`, or `5000:6000`. */
function isWithin(range: string, port: number): boolean {
  const [first = '', last = first] = range.split(':')
  return Number(first) <= port && port <= Number(last)
}
