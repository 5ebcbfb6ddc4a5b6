import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ControlEndpoint } from '../../../src/tor/control/endpoint.ts'

/** What a tor says to one line: text lines without CRLF, `close`, or nothing. */
export type Answer = readonly string[] | 'close' | undefined

export interface FakeTor {
  readonly endpoint: ControlEndpoint & { type: 'unix' }
  readonly directory: string
  /** Every line that was received, over all connections. */
  readonly received: string[]
  readonly connections: Socket[]
  say(...lines: string[]): void
  stop(): Promise<void>
}

/** A control port that answers from a script, for conversations that a real tor will not have. */
export async function fakeTor(answer: (line: string, connection: number) => Answer): Promise<FakeTor> {
  const directory = await mkdtemp(join(tmpdir(), 'fake-tor-'))
  const connections: Socket[] = []
  const received: string[] = []
  const send = (socket: Socket, lines: readonly string[]): void => {
    socket.write(lines.map((line) => `${line}\r\n`).join(''))
  }
  const server = createServer((socket) => {
    const number = connections.push(socket)
    let rest = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      rest += chunk.toString('utf8')
      const lines = rest.split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        received.push(line)
        const said = answer(line, number)
        if (said === 'close') socket.destroy()
        else if (said) send(socket, said)
      }
    })
  })
  const path = join(directory, 'control')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    endpoint: { type: 'unix', path },
    directory,
    received,
    connections,
    say: (...lines) => {
      const socket = connections.at(-1)
      if (socket) send(socket, lines)
    },
    stop: async () => {
      for (const socket of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Lets everybody in, and hands the other lines to `answer`. */
export function open(answer: (line: string) => Answer): (line: string) => Answer {
  return (line) => {
    if (line === 'PROTOCOLINFO 1') {
      return ['250-PROTOCOLINFO 1', '250-AUTH METHODS=NULL', '250-VERSION Tor="0.4.9.11"', '250 OK']
    }
    return line === 'AUTHENTICATE' ? ['250 OK'] : answer(line)
  }
}
