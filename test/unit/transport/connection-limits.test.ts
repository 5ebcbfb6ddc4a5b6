import { EventEmitter } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/config/log.ts'
import { ConnectionLimits } from '../../../src/transport/connection-limits.ts'
import { loopback, recorder, until, type Loopback } from './loopback.ts'

/** A connection from an address, as far as the limits look at it. */
class FakeConnection extends EventEmitter {
  destroyed = false
  readonly remoteAddress: string

  constructor(remoteAddress: string) {
    super()
    this.remoteAddress = remoteAddress
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

let minute = 0
let lines: string[] = []
let relay: Loopback | undefined
afterEach(async () => {
  await relay?.close()
  relay = undefined
  minute = 0
  lines = []
})

function limits(total: number, perAddress: number): ConnectionLimits {
  const log = { ...silentLogger, warn: (line: string) => lines.push(line) }
  return new ConnectionLimits({ total, perAddress, perCircuit: 8, log, now: () => minute * 60_000 })
}

function admitted(counted: ConnectionLimits, address: string): boolean {
  return counted.admit(new FakeConnection(address))
}

describe('connection-limits', () => {
  it('connections beyond the total are refused until one closes', () => {
    const counted = limits(2, 0)
    const first = new FakeConnection('192.0.2.1')
    expect(counted.admit(first)).toBe(true)
    expect(admitted(counted, '192.0.2.2')).toBe(true)
    const refused = new FakeConnection('192.0.2.3')
    expect(counted.admit(refused)).toBe(false)
    expect(refused.destroyed).toBe(true)
    first.destroy()
    expect(counted.open).toBe(1)
    expect(admitted(counted, '192.0.2.3')).toBe(true)
    expect(counted.rejected).toEqual({ total: 1, perAddress: 0, perCircuit: 0 })
  })

  it.each([
    ['198.51.100.7', '198.51.100.7', true],
    ['198.51.100.7', '::ffff:198.51.100.7', true],
    ['2001:db9:1:2::1', '2001:db9:1:2:ffff::9', true],
    ['2001:db9:1:2::1', '2001:db9:1:3::1', false],
    ['198.51.100.7', '198.51.100.8', false],
  ])('the limit of %s counts %s too: %s', (one, other, counts) => {
    const counted = limits(100, 1)
    expect(admitted(counted, one)).toBe(true)
    expect(admitted(counted, other)).toBe(!counts)
    expect(counted.rejected.perAddress).toBe(counts ? 1 : 0)
  })

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '172.17.0.1', '192.168.1.1', 'fd00::1', 'fe80::1'])(
    '%s, where the onion service or a proxy connects from, has no limit of its own',
    (address) => {
      const counted = limits(100, 1)
      expect([1, 2, 3].map(() => admitted(counted, address))).toEqual([true, true, true])
    },
  )

  it('a closed connection makes room for another one of its address', () => {
    const counted = limits(100, 1)
    const first = new FakeConnection('198.51.100.7')
    counted.admit(first)
    first.destroy()
    expect(admitted(counted, '198.51.100.7')).toBe(true)
  })

  it('refused connections are logged once a minute, with their number and the key that limits them', () => {
    const counted = limits(1, 1)
    counted.admit(new FakeConnection('198.51.100.7'))
    for (let count = 0; count < 5; count++) admitted(counted, '198.51.100.8')
    minute = 1
    admitted(counted, '198.51.100.8')
    expect(lines).toEqual([
      expect.stringMatching(/^Refused 1 connection: the limit of 1 connections is reached \(max_connections in/),
      expect.stringMatching(/^Refused 5 connections: /),
    ])
  })

  it('a listener closes connections beyond the limit at once and serves the others', async () => {
    const counted = limits(1, 0)
    relay = await loopback({ limits: counted })
    const client = await relay.client()
    const channel = await relay.channel()
    const refused = connect(relay.listener.port, '127.0.0.1').on('error', () => undefined)
    await new Promise((resolve) => refused.resume().on('close', resolve))
    expect(relay.listener.counts).toMatchObject({ accepted: 2, closed: 1, active: 1 })
    const record = recorder()
    channel.attach(record)
    client.write(Buffer.alloc(16384))
    await until(() => record.blocks.length === 1, 'a block')
    client.destroy()
    await until(() => counted.open === 0, 'room')
    await relay.client()
  })
})
