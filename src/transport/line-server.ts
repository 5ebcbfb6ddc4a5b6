import { createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { bind } from './bind.ts'
import { LineSplitter } from './line-splitter.ts'

/** One connection that talks in lines. */
export interface LineConversation {
  readonly greeting: readonly string[]
  /** The lines that answer a line, produced one by one as fast as the peer reads them. Never throws. */
  answer(line: string): AsyncIterable<string>
  /** The connection is closed once the answer has been sent. */
  readonly ended: boolean
  /** Milliseconds without traffic after which the connection is closed. */
  readonly idleMs: number
  /** Whether the peer has logged in; others make way for new connections, the oldest first. */
  readonly trusted: boolean
}

export interface LineServerOptions {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** The key of [TRANSPORT] that the port comes from, for messages. */
  readonly portKey: string
  /** Bytes; a connection that sends a longer line is closed. */
  readonly maxLineLength: number
  /** Simultaneous connections. A further one replaces the oldest that has not logged in, or is refused. */
  readonly maxConnections: number
  readonly converse: () => LineConversation
}

export interface LineServer {
  readonly port: number
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

const REFUSAL_MS = 1000

/**
 * Serves plain text lines over TCP. A peer that does not read is not read from.
 *
 * @throws whatever `bind` throws
 */
export async function serveLines(options: LineServerOptions): Promise<LineServer> {
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const conversations = new Map<Socket, LineConversation>()
  server.on('connection', (socket) => {
    socket.on('error', () => socket.destroy())
    if (conversations.size >= options.maxConnections) {
      const stranger = [...conversations].find(([, { trusted }]) => !trusted)
      refuse(stranger?.[0] ?? socket)
      if (stranger === undefined) return
      conversations.delete(stranger[0])
    }
    const conversation = options.converse()
    conversations.set(socket, conversation)
    socket.on('close', () => conversations.delete(socket))
    void serve(socket, conversation, options.maxLineLength)
  })
  await bind(server, options.port, options.host, options.portKey)
  server.on('error', () => undefined)
  const address = server.address()
  return {
    port: address === null || typeof address === 'string' ? options.port : address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of conversations.keys()) socket.destroy()
      }),
  }
}

/** Tells the peer why it is disconnected, if it reads. */
function refuse(socket: Socket): void {
  socket.end('error: too many connections\n', () => socket.destroy())
  setTimeout(() => socket.destroy(), REFUSAL_MS).unref()
}

async function serve(socket: Socket, conversation: LineConversation, maxLineLength: number): Promise<void> {
  socket.on('timeout', () => socket.destroy())
  socket.setTimeout(conversation.idleMs)
  const lines = answers(socket, conversation, maxLineLength)
  try {
    await pipeline(Readable.from(lines, { objectMode: false, highWaterMark: 16_384 }), socket)
  } catch {
    // The peer disconnected.
  }
  socket.destroy()
}

async function* answers(socket: Socket, conversation: LineConversation, maxLength: number): AsyncGenerator<string> {
  for (const line of conversation.greeting) yield `${line}\n`
  const splitter = new LineSplitter(maxLength)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) continue
    const { lines, tooLong } = splitter.push(chunk)
    for (const line of lines) {
      for await (const answer of conversation.answer(line)) yield `${answer}\n`
      if (conversation.ended) return
      socket.setTimeout(conversation.idleMs)
    }
    if (tooLong) {
      yield `error: a line has at most ${maxLength} bytes\n`
      return
    }
  }
  for await (const answer of conversation.answer(splitter.begun)) yield `${answer}\n`
}
