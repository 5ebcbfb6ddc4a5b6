import { describe, expect, it } from 'vitest'
import { chooseRoute, type Routing } from '../../../src/transport/route.ts'
import { isOnion } from '../../../src/protocol/host.ts'

const onion = `${'a'.repeat(56)}.onion`
const socks = { host: '127.0.0.1', port: 9050 }

describe('route', () => {
  it.each<[string, readonly string[], Routing, object]>([
    [
      'takes the first public host by default',
      [onion, 'a.example', 'b.example'],
      { socks },
      { via: 'direct', host: 'a.example' },
    ],
    [
      'takes an onion host through SOCKS when it is the only one',
      [onion],
      { socks },
      { via: 'socks', host: onion, socks },
    ],
    ['refuses an onion host without SOCKS', [onion], {}, { via: 'none', why: 'onionWithoutSocks' }],
    [
      'prefers the onion host when told to',
      ['a.example', onion],
      { socks, hostMode: 'onion' },
      { via: 'socks', host: onion, socks },
    ],
    [
      'prefers a public host to an onion host that it cannot reach',
      [onion, 'a.example'],
      { hostMode: 'onion' },
      { via: 'direct', host: 'a.example' },
    ],
    [
      'takes any host when none is of the preferred kind',
      ['a.example'],
      { socks, hostMode: 'onion' },
      { via: 'direct', host: 'a.example' },
    ],
    [
      'takes none when the kind is required',
      ['a.example'],
      { socks, hostMode: 'onion', requiredHostMode: true },
      { via: 'none', why: 'noSuitableHost' },
    ],
    [
      'takes no onion host when a public one is required',
      [onion],
      { socks, requiredHostMode: true },
      { via: 'none', why: 'noSuitableHost' },
    ],
    [
      'sends everything through SOCKS when told to',
      ['a.example'],
      { socks, socksMode: 'always' },
      { via: 'socks', host: 'a.example', socks },
    ],
    ['has no route without hosts', [], { socks }, { via: 'none', why: 'noSuitableHost' }],
  ])('chooseRoute: %s', (_, hosts, routing, route) => {
    expect(chooseRoute(hosts, routing)).toEqual(route)
  })

  it('isOnion recognises onion names in every spelling', () => {
    expect(['x.onion', 'X.ONION', 'sub.x.onion', 'x.onion.'].every(isOnion)).toBe(true)
    expect(['onion', 'x.onion.example', 'xonion'].some(isOnion)).toBe(false)
  })
})
