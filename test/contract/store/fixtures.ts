import type { AuthKey } from '../../../src/crypto/keys.ts'
import type { LinkId, MsgId, NotifierId, RcvId, ServiceId, SndId } from '../../../src/protocol/ids.ts'
import type {
  LinkData,
  Message,
  Notification,
  NotifierRec,
  OrdinaryMessage,
  QueueRec,
  ServiceRec,
} from '../../../src/store/store.ts'

const id = (kind: string, n: number): string => `${kind}-${String(n).padStart(18, '0')}`.padEnd(24, '\xff').slice(0, 24)

export const rcvId = (n: number): RcvId => id('rcv', n) as RcvId
export const sndId = (n: number): SndId => id('snd', n) as SndId
export const notifierId = (n: number): NotifierId => id('ntf', n) as NotifierId
export const linkId = (n: number): LinkId => id('lnk', n) as LinkId
export const serviceId = (n: number): ServiceId => id('svc', n) as ServiceId
export const msgId = (n: number): MsgId => id('msg', n) as MsgId

export const ed25519 = (n: number): AuthKey => ({ alg: 'ed25519', raw: Buffer.alloc(32, n) })
export const ed448 = (n: number): AuthKey => ({ alg: 'ed448', raw: Buffer.alloc(57, n) })
export const x25519 = (n: number): AuthKey => ({ alg: 'x25519', raw: Buffer.alloc(32, n) })

export const DAY = 86_400

/** A new queue as NEW makes it, without link and notifier. */
export function aQueue(n: number, changes: Partial<QueueRec> = {}): QueueRec {
  return {
    rcvId: rcvId(n),
    sndId: sndId(n),
    recipientKeys: [ed25519(n)],
    rcvDhSecret: Buffer.alloc(32, n + 1),
    queueMode: 'M',
    status: { type: 'active' },
    updatedAt: 20_000 * DAY,
    ...changes,
  }
}

export function aNotifier(n: number, changes: Partial<NotifierRec> = {}): NotifierRec {
  return { notifierId: notifierId(n), key: ed25519(n + 2), dhSecret: Buffer.alloc(32, n + 3), ...changes }
}

export function aLink(n: number): LinkData {
  return { fixedData: Buffer.alloc(300, n), userData: Buffer.alloc(13_000, n + 1) }
}

export function aMessage(n: number, changes: Partial<OrdinaryMessage> = {}): OrdinaryMessage {
  return {
    type: 'message',
    id: msgId(n),
    timestamp: 1_700_000_000 + n,
    notify: n % 2 === 1,
    body: Buffer.alloc(200, n),
    ...changes,
  }
}

export const marker = (n: number): Message => ({ type: 'quota', id: msgId(n), timestamp: 1_700_000_000 + n })

export function aNotification(n: number, changes: Partial<Notification> = {}): Notification {
  return {
    msgId: msgId(n),
    timestamp: 1_700_000_000 + n,
    nonce: Buffer.alloc(24, n),
    encMeta: Buffer.alloc(144, n + 1),
    ...changes,
  }
}

export function aService(n: number, changes: Partial<ServiceRec> = {}): ServiceRec {
  return {
    serviceId: serviceId(n),
    role: 'M',
    certificates: [Buffer.alloc(500, n), Buffer.alloc(400, n + 1)],
    certHash: Buffer.alloc(32, n),
    createdAt: 20_000 * DAY,
    ...changes,
  }
}
