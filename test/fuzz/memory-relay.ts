import { silentLogger } from '../../src/config/log.ts'
import type { BlockCipher } from '../../src/crypto/chain.ts'
import type { DhKeyPair } from '../../src/crypto/keys.ts'
import { pad } from '../../src/crypto/pad.ts'
import { BLOCK_SIZE } from '../../src/protocol/limits.ts'
import type { Core } from '../../src/server/core.ts'
import { RelayPool } from '../../src/server/relay-pool.ts'
import { CreationPassword } from '../../src/server/creation-password.ts'
import { Backlog } from '../../src/server/backlog.ts'
import { Scheduler } from '../../src/server/scheduler.ts'
import { Session } from '../../src/server/session.ts'
import { newStats } from '../../src/server/statistics/counters.ts'
import { Subscriptions } from '../../src/server/subscriptions.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import type { BlockChannel, ChannelHandlers } from '../../src/transport/channel.ts'
import { SmpLink, type ClientService } from '../../src/transport/smp-link.ts'

export interface SessionOptions {
  readonly version: number
  readonly sessionId: Buffer
  readonly sessionKeys: DhKeyPair
  readonly sessionSecret?: Buffer
  readonly proxy?: boolean
  readonly cipher?: BlockCipher
  readonly service?: ClientService
}

/** A connection without sockets: blocks go in by `feed` and come out in `written`. */
export interface MemorySession {
  readonly session: Session
  readonly written: Buffer[]
  /** The next blocks are kept from the client, until `read`. */
  deaf: boolean
  feed(block: Buffer): void
  feedPayload(payload: Buffer): void
  read(): void
  close(): void
  readonly isOpen: boolean
}

/** A relay without sockets and files; it reaches no other relay. */
export interface MemoryRelay {
  readonly core: Core
  readonly store: Store
  connect(options: SessionOptions): MemorySession
  /** What went wrong in the relay itself. */
  readonly faults: unknown[]
  close(): void
}

export const openMemoryRelay = (random: (size: number) => Buffer, now = Date.now): MemoryRelay => {
  const store = openMemoryStore({ quota: 4 })
  const faults: unknown[] = []
  const core: Core = {
    store,
    engine: store,
    subscriptions: new Subscriptions(),
    stats: newStats(now(), Buffer.alloc(32)),
    policy: {
      newQueues: true,
      createPassword: undefined,
      messageTtl: 86_400,
      expireOnSend: true,
      notificationTtl: 86_400,
    },
    creationPassword: new CreationPassword(undefined),
    proxying: { ownServerDomains: ['example.com'], clientConcurrency: 4 },
    // Every way out goes through a proxy that is not there: no name is looked up, no socket opened.
    relays: new RelayPool({ routing: () => ({ socks: { path: '/nonexistent' }, socksMode: 'always' }), now }),
    resolver: undefined,
    random,
    serviceIdKey: Buffer.alloc(32),
    backlog: new Backlog(2 ** 26),
    now,
    log: { ...silentLogger, error: (_: string, fields?: object) => faults.push(fields) },
  }
  const scheduler = new Scheduler()
  const open = new Set<MemorySession>()

  const connect = (options: SessionOptions): MemorySession => {
    const { version, sessionId, ...others } = options
    let handlers: ChannelHandlers | undefined
    let paused = false
    const [inbox, written]: [Buffer[], Buffer[]] = [[], []]
    const deliver = (): void => {
      while (!paused && inbox.length > 0) {
        const block = inbox.shift()
        if (block) handlers?.block(block)
      }
    }
    const channel: BlockChannel = {
      sessionId,
      peerCertificates: [],
      alpn: 'smp/1',
      port: 5223,
      buffered: 0,
      attach: (to) => {
        handlers = to
      },
      write: (block) => {
        written.push(block)
        return !memory.deaf
      },
      pause: () => {
        paused = true
      },
      resume: () => {
        paused = false
        setImmediate(deliver)
      },
      close: () => {
        if (!open.delete(memory)) return
        handlers?.close('closed')
      },
    }
    const range = { min: 6, max: version }
    const link = new SmpLink(channel, { version, range, proxy: false, ...others })
    const session = new Session(core, 1, link, scheduler, (ended) => {
      for (const subscription of ended.subscriptions.values()) core.subscriptions.unsubscribe(subscription)
      for (const notifierId of ended.notifiers) core.subscriptions.unsubscribeNotifier(notifierId, ended)
    })
    const memory: MemorySession = {
      session,
      written,
      deaf: false,
      feed: (block) => {
        inbox.push(block)
        deliver()
      },
      feedPayload: (payload) => memory.feed(pad(payload, BLOCK_SIZE)),
      read: () => {
        memory.deaf = false
        handlers?.drain()
      },
      close: () => channel.close(),
      get isOpen() {
        return open.has(memory)
      },
    }
    open.add(memory)
    return memory
  }

  return {
    core,
    store,
    connect,
    faults,
    close: () => {
      for (const memory of [...open]) memory.close()
      core.relays.close()
    },
  }
}
