import type { Session } from '../session.ts'
import type { PortSockets } from '../statistics/live.ts'

/** The lines of `sockets`: the connections of each port since the start, those that are not SMP ones included. */
export function* socketLines(sockets: Iterable<PortSockets>): Generator<string> {
  for (const { port, accepted, closed, active, leaked } of sockets) {
    yield `Sockets for port ${port}:`
    yield `accepted: ${accepted}`
    yield `closed: ${closed}`
    yield `active: ${active}`
    yield `leaked: ${leaked}`
  }
}

export const CLIENTS_HEADER = 'clientId,sessionId,connected,createdAt,rcvActiveAt,sndActiveAt,age,subscriptions'

/** What is shown of a session. */
export type ClientFacts = Pick<
  Session,
  'id' | 'link' | 'closed' | 'createdAt' | 'receivedAt' | 'sentAt' | 'subscriptions'
>

/**
 * The lines of `clients` after their header: one per SMP connection, times and age in seconds.
 *
 * @param now milliseconds since the epoch
 */
export function* clientLines(sessions: Iterable<ClientFacts>, now: number): Generator<string> {
  for (const session of sessions) {
    const createdAt = seconds(session.createdAt)
    const fields = [
      session.id,
      session.link.sessionId.toString('base64'),
      session.closed ? 'False' : 'True',
      createdAt,
      seconds(session.receivedAt),
      seconds(session.sentAt),
      seconds(now) - createdAt,
      session.subscriptions.size,
    ]
    yield fields.join(',')
  }
}

/**
 * The lines of `socket-threads`: port, client, thread, state and name. All connections have the same thread here, the
 * first of the process.
 */
export function* socketThreadLines(sessions: Iterable<Pick<Session, 'id' | 'link'>>, pid: number): Generator<string> {
  for (const { id, link } of sessions) yield `${link.channel.port},${id},ThreadId ${pid},ThreadRunning,`
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}
