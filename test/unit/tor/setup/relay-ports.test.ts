import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { portFindings } from '../../../../src/tor/setup/port-findings.ts'
import { type PortFact, portFacts } from '../../../../src/tor/setup/relay-ports.ts'

const keyHash = Buffer.alloc(32, 7)
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listening(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}

async function look(port: number, relayPorts: readonly number[], timeoutMs = 3000): Promise<PortFact | undefined> {
  const ports = [{ virtualPort: 5223, target: `127.0.0.1:${port}` }]
  return (await portFacts({ ports, relayPorts, keyHash, timeoutMs }))[0]
}

describe('where an onion service leads', () => {
  it('a program of another kind is recognized, with its name', async () => {
    const port = await listening(createHttpServer((_, response) => response.end('a page')))
    expect(await look(port, [port])).toMatchObject({ port, serves: 'smp', listener: 'other' })
    expect((await look(port, [port]))?.holder?.pid).toBe(process.pid)
  })

  it('a program that does not answer is distinguished from one that is certainly another', async () => {
    const port = await listening(createServer((socket) => socket.on('error', () => undefined)))
    expect(await look(port, [port], 300)).toMatchObject({ listener: 'silent' })
  })

  it('a port without a listener is recognized', async () => {
    const port = await listening(createServer())
    await new Promise((done) => servers.pop()?.close(done))
    expect(await look(port, [port])).toMatchObject({ listener: 'none', holder: undefined })
    expect(await look(port, [])).toMatchObject({ serves: 'web', listener: 'none' })
  })

  it('a listener on the web port is another program while the relay does not run', async () => {
    const port = await listening(createServer((socket) => socket.on('error', () => undefined)))
    expect(await look(port, [])).toMatchObject({ serves: 'web', listener: 'other', holder: { pid: process.pid } })
  })
})

describe('findings about the ports', () => {
  const holder = { pid: 12, name: 'nginx' }
  const main = { virtualPort: 5223, port: 5223, serves: 'smp', listener: 'relay', holder: undefined } as const
  const second = { ...main, virtualPort: 443, port: 443 } as const
  const page = { ...main, virtualPort: 80, port: 8000, serves: 'web' } as const

  it.each<[string, PortFact[], string[]]>([
    ['all are the relay’s', [main, second, page], []],
    [
      'the relay does not run',
      [
        { ...main, listener: 'none' },
        { ...second, listener: 'none' },
        { ...page, listener: 'none' },
      ],
      ['note RELAY_DOWN'],
    ],
    ['another program has the main port', [{ ...main, listener: 'other', holder }, second], ['stop PORT_OTHER']],
    ['another program has another port', [main, { ...second, listener: 'other', holder }], ['note PORT_OTHER']],
    [
      'two virtual ports lead to one',
      [
        { ...second, virtualPort: 5223, listener: 'other' },
        { ...second, listener: 'other' },
      ],
      ['stop PORT_OTHER'],
    ],
    ['a port was left out', [main, { ...second, listener: 'none' }], ['note PORT_CLOSED']],
    ['a program does not answer', [{ ...main, listener: 'silent' }], ['note PORT_SILENT']],
    ['another program has the web port', [main, { ...page, listener: 'other', holder }], ['note PAGES_OTHER']],
    ['nothing listens on the web port', [main, { ...page, listener: 'none' }], ['note PAGES_CLOSED']],
    ['it is unknown who has the web port', [main, { ...page, listener: 'silent' }], []],
  ])('findings when %s', (_, facts, expected) => {
    expect(portFindings(facts, '/ini').map(({ level, code }) => `${level} ${code}`)).toEqual(expected)
  })

  it('the finding names the program and the remedy', () => {
    expect(portFindings([{ ...main, listener: 'other', holder }], '/ini')).toEqual([
      {
        level: 'stop',
        code: 'PORT_OTHER',
        text: 'nginx (process 12) listens on port 5223, not this relay. The onion address would lead to it.',
        remedy: 'Stop that program, or change port under [TRANSPORT] of /ini.',
      },
    ])
    const [unnamed] = portFindings([{ ...main, listener: 'other' }], '/ini')
    expect(unnamed?.text).toMatch(/^Another program listens/)
  })
})
