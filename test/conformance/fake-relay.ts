import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NO_ENTITY, type EntityId } from '../../src/protocol/ids.ts'
import { encodeReply, type Reply } from '../../src/protocol/reply.ts'
import { encodeTransmission, packBlocks, parsePayload, parseTransmission } from '../../src/protocol/transmission.ts'
import { FULL_RANGE, type VersionRange } from '../../src/protocol/versions.ts'
import type { BlockChannel } from '../../src/transport/channel.ts'
import { loadCredentials, type RelayCredentials } from '../../src/transport/credentials.ts'
import { listen } from '../../src/transport/listener.ts'
import { acceptHandshake } from '../../src/transport/server-handshake.ts'
import type { SmpLink } from '../../src/transport/smp-link.ts'
import type { RelayAddress } from '../client/connection.ts'
import { writeCredentials } from './credentials.ts'

/** A command as it came, and ways to answer it. */
export interface FakeRequest {
  readonly corrId: Buffer
  readonly command: Buffer
  readonly link: SmpLink
  readonly answer: (reply: Reply | Buffer, entityId?: EntityId) => void
}

export interface FakeRelayOptions {
  readonly range?: VersionRange
  /** Takes the connection instead of the handshake. */
  readonly onChannel?: (channel: BlockChannel, credentials: RelayCredentials) => void
  /** Answers commands; without it none is answered. */
  readonly onCommand?: (request: FakeRequest) => void
}

/** A relay that does what a test wants, and only that. */
export interface FakeRelay {
  readonly address: RelayAddress
  /** The connections that completed the handshake. */
  readonly links: SmpLink[]
  /** Connections so far. */
  readonly accepted: number
  stop(): Promise<void>
}

export const startFakeRelay = async (options: FakeRelayOptions = {}): Promise<FakeRelay> => {
  const directory = await mkdtemp(join(tmpdir(), 'smp-fake-'))
  const keyHash = await writeCredentials(directory)
  const credentials = await loadCredentials(directory)
  await rm(directory, { recursive: true, force: true })
  const links: SmpLink[] = []

  const serve = async (channel: BlockChannel): Promise<void> => {
    const link = await acceptHandshake(channel, { credentials, range: options.range ?? FULL_RANGE })
    if (link === undefined) return
    links.push(link)
    channel.attach({ block: (block) => receive(link, block), drain: () => undefined, close: () => undefined })
  }
  const receive = (link: SmpLink, block: Buffer): void => {
    for (const bytes of parsePayload(link.openPayload(block) ?? Buffer.alloc(0)) ?? []) {
      const parsed = parseTransmission(bytes, link.transmissionContext)
      if (parsed.type === 'error') continue
      const { corrId, command } = parsed
      const answer = (reply: Reply | Buffer, entityId: EntityId = NO_ENTITY): void => {
        const message = Buffer.isBuffer(reply) ? reply : encodeReply(reply, link.version)
        const [payload] = packBlocks([encodeTransmission(corrId, entityId, message, link.transmissionContext)])
        if (payload) link.sendPayload(payload)
      }
      options.onCommand?.({ corrId, command, link, answer })
    }
  }

  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials,
    onChannel: (channel) => {
      if (options.onChannel) options.onChannel(channel, credentials)
      else void serve(channel)
    },
  })
  return {
    address: { host: '127.0.0.1', port: listener.port, keyHash },
    links,
    get accepted() {
      return listener.counts.accepted
    },
    stop: () => listener.close(),
  }
}
