import { bare, type Codec } from './codec.ts'
import { lkeyCodec, lsetCodec, type LkeyCommand, type LsetCommand } from './commands/link.ts'
import { rslvCodec, type RslvCommand } from './commands/name.ts'
import { newCodec, type NewCommand } from './commands/new.ts'
import { nkeyCodec, type NkeyCommand } from './commands/notifier.ts'
import {
  pfwdCodec,
  prxyCodec,
  rfwdCodec,
  type PfwdCommand,
  type PrxyCommand,
  type RfwdCommand,
} from './commands/proxy.ts'
import {
  ackCodec,
  keyCodec,
  rkeyCodec,
  sendCodec,
  skeyCodec,
  type AckCommand,
  type KeyCommand,
  type RkeyCommand,
  type SendCommand,
  type SkeyCommand,
} from './commands/queue.ts'
import { nsubsCodec, subsCodec, type NsubsCommand, type SubsCommand } from './commands/service.ts'
import { bearer, creator, nobody, owner, sender, type CredentialRule } from './credentials.ts'
import type { ServiceRole } from './hello.ts'
import { SMP_MIN, since } from './versions.ts'

/** Every command by its word. */
export interface CommandMap {
  NEW: NewCommand
  SUB: { readonly type: 'SUB' }
  SUBS: SubsCommand
  KEY: KeyCommand
  RKEY: RkeyCommand
  LSET: LsetCommand
  LDEL: { readonly type: 'LDEL' }
  NKEY: NkeyCommand
  NDEL: { readonly type: 'NDEL' }
  GET: { readonly type: 'GET' }
  ACK: AckCommand
  OFF: { readonly type: 'OFF' }
  DEL: { readonly type: 'DEL' }
  QUE: { readonly type: 'QUE' }
  SKEY: SkeyCommand
  SEND: SendCommand
  LKEY: LkeyCommand
  LGET: { readonly type: 'LGET' }
  NSUB: { readonly type: 'NSUB' }
  NSUBS: NsubsCommand
  PING: { readonly type: 'PING' }
  PRXY: PrxyCommand
  PFWD: PfwdCommand
  RFWD: RfwdCommand
  RSLV: RslvCommand
}

export type CommandType = keyof CommandMap

/** Who sends a command: this says which kind of id its entity id is. */
export type Party = 'creator' | 'recipient' | 'sender' | 'notifier' | 'link' | 'service' | 'none'

export interface CommandRow<T extends CommandType> {
  /** The version that introduced the command. Clients may use it in older sessions too. */
  readonly since: number
  readonly party: Party
  /** Which credentials it needs, and the errors in the order in which they are checked. */
  readonly credentials: CredentialRule
  /** The role of the services that may send it (wire format §4.4). */
  readonly service: ServiceRole | 'any'
  /**
   * How a service signs it with its session key (wire format §5.3): not at all, in addition to the key of the queue, or
   * with the session key alone.
   */
  readonly serviceSignature: 'none' | 'additional' | 'only'
  /** Whether a proxy may forward it. A forwarded client has no connection on which to receive anything. */
  readonly forwardable: boolean
  readonly codec: Codec<CommandMap[T]>
}

const ordinary = { since: SMP_MIN, service: 'M', serviceSignature: 'none', forwardable: false } as const
const recipient = { ...ordinary, party: 'recipient', credentials: owner } as const
const link = { ...ordinary, since: since.shortLinks, party: 'link', forwardable: true } as const
const notifier = { ...ordinary, party: 'notifier', credentials: owner, service: 'N' } as const
const service = { ...ordinary, since: since.services, party: 'service', credentials: owner } as const
const relay = { ...ordinary, party: 'none', credentials: nobody } as const

/** The one table of commands (SMP commands §1, §2). What the relay does for each is in `server/commands.ts`. */
export const commandTable: { readonly [T in CommandType]: CommandRow<T> } = {
  NEW: { ...ordinary, party: 'creator', credentials: creator, serviceSignature: 'additional', codec: newCodec },

  SUB: { ...recipient, serviceSignature: 'additional', codec: bare('SUB') },
  KEY: { ...recipient, codec: keyCodec },
  RKEY: { ...recipient, since: since.shortLinks, codec: rkeyCodec },
  LSET: { ...recipient, since: since.shortLinks, codec: lsetCodec },
  LDEL: { ...recipient, since: since.shortLinks, codec: bare('LDEL') },
  NKEY: { ...recipient, codec: nkeyCodec },
  NDEL: { ...recipient, codec: bare('NDEL') },
  GET: { ...recipient, codec: bare('GET') },
  ACK: { ...recipient, codec: ackCodec },
  OFF: { ...recipient, codec: bare('OFF') },
  DEL: { ...recipient, codec: bare('DEL') },
  QUE: { ...recipient, codec: bare('QUE') },

  SKEY: {
    ...ordinary,
    since: since.senderKey,
    party: 'sender',
    credentials: owner,
    forwardable: true,
    codec: skeyCodec,
  },
  SEND: { ...ordinary, party: 'sender', credentials: sender, forwardable: true, codec: sendCodec },

  LKEY: { ...link, credentials: owner, codec: lkeyCodec },
  LGET: { ...link, credentials: bearer, codec: bare('LGET') },

  NSUB: { ...notifier, serviceSignature: 'additional', codec: bare('NSUB') },

  SUBS: { ...service, serviceSignature: 'only', codec: subsCodec },
  NSUBS: { ...service, service: 'N', serviceSignature: 'only', codec: nsubsCodec },

  PING: { ...relay, service: 'any', codec: bare('PING') },
  PRXY: { ...relay, since: since.proxying, codec: prxyCodec },
  PFWD: { ...relay, since: since.proxying, credentials: bearer, codec: pfwdCodec },
  RFWD: { ...relay, since: since.proxying, service: 'P', codec: rfwdCodec },
  RSLV: { ...relay, since: since.names, forwardable: true, codec: rslvCodec },
}
