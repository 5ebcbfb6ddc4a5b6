import { describe, expect, it } from 'vitest'
import { nftOutcome } from '../../../../src/app/doctor/firewall/nft.ts'
import type { NewConnection } from '../../../../src/app/doctor/firewall/walk.ts'

const user: NewConnection = { port: 5223, family: 'IPv4', interface: 'eth0' }
const place = { family: 'inet', table: 'filter' }
const ACCEPT = { accept: null }
const DROP = { drop: null }

const left = {
  port: { payload: { protocol: 'tcp', field: 'dport' } },
  source: { payload: { protocol: 'ip', field: 'saddr' } },
  state: { ct: { key: 'state' } },
  interface: { meta: { key: 'iifname' } },
}
const match = (left: unknown, right: unknown, op = '=='): unknown => ({ match: { op, left, right } })

/** A chain that drops what none of these rules decide, as nft prints it. */
function outcome(rules: unknown[][], connection = user, family = 'inet'): string {
  const base = { family, table: 'filter', name: 'input', type: 'filter', hook: 'input', prio: 0, policy: 'drop' }
  const objects = [
    { metainfo: { version: '1.0.6' } },
    { set: { ...place, name: 'ports', type: 'inet_service', elem: [22, { range: [5000, 6000] }] } },
    { chain: base },
    { chain: { ...place, name: 'other' } },
    ...rules.map((expr, handle) => ({ rule: { ...place, family, chain: 'input', handle, expr } })),
    { rule: { ...place, chain: 'other', handle: 99, expr: [match(left.port, 5223), ACCEPT] } },
  ]
  return nftOutcome(JSON.stringify({ nftables: objects }), connection, true).type
}

describe('nftables', () => {
  it.each<[string, unknown[]]>([
    ['the port', [match(left.port, 5223), { counter: { packets: 0, bytes: 0 } }, ACCEPT]],
    ['a set of ports', [match(left.port, { set: [443, { range: [5220, 5230] }] }), ACCEPT]],
    ['a set that has a name', [match(left.port, '@ports'), ACCEPT]],
    ['every other port', [match(left.port, 22, '!='), ACCEPT]],
    ['new connections', [match(left.state, ['established', 'new'], 'in'), ACCEPT]],
    ['the interface', [match(left.interface, 'eth*'), ACCEPT]],
    ['another chain', [{ jump: { target: 'other' } }]],
    [
      'a map of ports',
      [
        {
          vmap: {
            key: left.port,
            data: {
              set: [
                [22, DROP],
                [5223, ACCEPT],
              ],
            },
          },
        },
      ],
    ],
  ])('a rule for %s lets users in', (_, rule) => {
    expect(outcome([rule])).toBe('accept')
  })

  it.each<[string, unknown[]]>([
    ['another port', [match(left.port, 443), ACCEPT]],
    ['loopback', [match(left.interface, 'lo'), ACCEPT]],
    ['a private network', [match(left.source, { prefix: { addr: '10.0.0.0', len: 8 } }), ACCEPT]],
    [
      'open connections',
      [
        {
          vmap: {
            key: left.state,
            data: {
              set: [
                ['established', ACCEPT],
                ['invalid', DROP],
              ],
            },
          },
        },
      ],
    ],
    ['translated addresses', [match({ ct: { key: 'status' } }, 'dnat', 'in'), ACCEPT]],
    ['ping', [match({ meta: { key: 'l4proto' } }, { set: ['icmp', 'ipv6-icmp'] }), ACCEPT]],
  ])('a rule that lets in %s does not let users in', (_, rule) => {
    expect(outcome([rule])).toBe('drop')
  })

  it('what cannot be decided is not called blocked', () => {
    expect(outcome([[{ xt: { type: 'match', name: 'multiport' } }, ACCEPT]])).toBe('unknown')
    expect(outcome([[match(left.port, '@elsewhere'), ACCEPT]])).toBe('unknown')
    expect(outcome([[match(left.source, '203.0.113.9'), DROP], [ACCEPT]])).toBe('accept')
  })

  it('the chain of iptables counts only where iptables has not told its rules', () => {
    const chain = { family: 'ip', table: 'filter', name: 'INPUT', type: 'filter', hook: 'input', policy: 'drop' }
    const json = JSON.stringify({ nftables: [{ chain }] })
    expect([nftOutcome(json, user, true).type, nftOutcome(json, user, false).type]).toEqual(['accept', 'drop'])
  })

  it('a chain for IPv6 decides nothing about IPv4', () => {
    expect([outcome([], user, 'ip6'), outcome([], { ...user, family: 'IPv6' }, 'ip6')]).toEqual(['accept', 'drop'])
  })
})
