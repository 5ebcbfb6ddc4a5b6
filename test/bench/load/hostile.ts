import { randomBytes } from 'node:crypto'
import { setPriority } from 'node:os'
import { encodeTransmission } from '../../client/authorization.ts'
import { commands } from '../../client/commands.ts'
import { blockSize, openSession, type RelayAddress, type Session } from '../../client/connection.ts'
import { large } from '../../client/encoding.ts'

const BURST = 8

const sessions: Session[] = []
let running = true
let blocksSent = 0

const ping = ({ auth, cipher }: Session): Buffer => {
  const transmission = encodeTransmission(auth, randomBytes(24), { entityId: Buffer.alloc(0), bytes: commands.ping() })
  const payload = Buffer.concat([Buffer.of(1), large(transmission)])
  if (!cipher) throw new Error('this session is not encrypted')
  return cipher.sealBlock(payload)
}

const garbageBlock = randomBytes(blockSize)
const garbage = (): Buffer => garbageBlock

/** Writes as fast as the socket takes it. */
const flood = (session: Session, block: (session: Session) => Buffer): void => {
  const { socket } = session.stream
  const write = (): void => {
    if (!running || socket.destroyed) return
    let more = true
    for (let count = 0; count < BURST && more; count++) {
      more = session.stream.write(block(session))
      blocksSent++
    }
    if (more) setImmediate(write)
  }
  socket.on('drain', write)
  write()
}

const open = async (address: RelayAddress): Promise<Session> => {
  const session = await openSession(address, { maxVersion: 19 })
  sessions.push(session)
  session.stream.onBlock(() => undefined)
  return session
}

export interface HostileCounts {
  readonly atMs: number
  readonly blocksSent: number
  /** Connections that the relay has not closed. */
  readonly open: number
}

/** Clients that mean harm. */
export const hostileCalls = {
  /** `each`: how many of each kind; one more floods. */
  async openHostile({ address, each }: { address: RelayAddress; each: number }): Promise<void> {
    // Attackers bring processors of their own; here they may only have what the others leave.
    setPriority(19)
    for (let index = 0; index < each; index++) {
      const stalled = await open(address)
      stalled.stream.write(garbageBlock.subarray(0, 8000))
      const deaf = await open(address)
      deaf.stream.socket.pause()
      flood(deaf, ping)
    }
    for (let index = 0; index <= each; index++) await open(address)
    sessions.slice(-each - 1).forEach((session, index) => flood(session, index % 2 === 0 ? ping : garbage))
  },

  hostileCounts(): HostileCounts {
    const open = sessions.filter(({ stream }) => stream.open).length
    return { atMs: performance.timeOrigin + performance.now(), blocksSent, open }
  },

  closeHostile(): void {
    running = false
    for (const { stream } of sessions) stream.close()
  },
}
