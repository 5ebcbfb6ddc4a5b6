import { EventEmitter } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { connectionLimits } from '../../../src/app/connection-limits.ts'
import { silentLogger } from '../../../src/config/log.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import { type Connection, ConnectionLimits } from '../../../src/transport/connection-limits.ts'

let lines: string[] = []
const log = { ...silentLogger, warn: (line: string) => lines.push(line) }
afterEach(() => {
  lines = []
})

/** How many connections are admitted. */
function admitted(maxConnections: number | undefined, descriptors: number): number {
  const limits = new ConnectionLimits(
    connectionLimits({ ...settings, transport: { ...settings.transport, maxConnections } }, log, descriptors),
  )
  let count = 0
  while (limits.admit(connection())) count++
  return count
}

const { settings } = readSettings(
  '[TRANSPORT]\nhost = a.example\nport = 5223\nmax_connections_per_address = 0\n',
  '/ini',
)

function connection(): Connection {
  return Object.assign(new EventEmitter(), { remoteAddress: '127.0.0.1', destroy: () => undefined })
}

describe('connectionLimits', () => {
  it.each([
    [undefined, 1000, 750],
    [100, 1000, 100],
    [5000, 1000, 750],
  ])('max_connections = %s with %i open files allows %i connections', (maximum, descriptors, expected) => {
    expect(admitted(maximum, descriptors)).toBe(expected)
  })

  it('the log says when max_connections needs more open files than there are', () => {
    admitted(5000, 1000)
    expect(lines[0]).toMatch(/max_connections = 5000 .* at most 750 connections\. Raise LimitNOFILE/)
    lines = []
    admitted(100, 1000)
    expect(lines.filter((line) => !line.startsWith('Refused'))).toEqual([])
  })
})
