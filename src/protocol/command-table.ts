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
  /** The version that brought the command. Older connections may use it all the same. */
  readonly since: number
  readonly party: Party
  /** Which credentials it needs, and the errors in the order in which they are found. */
  readonly credentials: CredentialRule
  readonly codec: Codec<CommandMap[T]>
}

/** The one table of commands (SMP commands §1, §2). */
export const commandTable: { readonly [T in CommandType]: CommandRow<T> } = {
  NEW: { since: SMP_MIN, party: 'creator', credentials: creator, codec: newCodec },

  SUB: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: bare('SUB') },
  KEY: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: keyCodec },
  RKEY: { since: since.shortLinks, party: 'recipient', credentials: owner, codec: rkeyCodec },
  LSET: { since: since.shortLinks, party: 'recipient', credentials: owner, codec: lsetCodec },
  LDEL: { since: since.shortLinks, party: 'recipient', credentials: owner, codec: bare('LDEL') },
  NKEY: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: nkeyCodec },
  NDEL: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: bare('NDEL') },
  GET: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: bare('GET') },
  ACK: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: ackCodec },
  OFF: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: bare('OFF') },
  DEL: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: bare('DEL') },
  QUE: { since: SMP_MIN, party: 'recipient', credentials: owner, codec: bare('QUE') },

  SKEY: { since: since.senderKey, party: 'sender', credentials: owner, codec: skeyCodec },
  SEND: { since: SMP_MIN, party: 'sender', credentials: sender, codec: sendCodec },

  LKEY: { since: since.shortLinks, party: 'link', credentials: owner, codec: lkeyCodec },
  LGET: { since: since.shortLinks, party: 'link', credentials: bearer, codec: bare('LGET') },

  NSUB: { since: SMP_MIN, party: 'notifier', credentials: owner, codec: bare('NSUB') },

  SUBS: { since: since.services, party: 'service', credentials: owner, codec: subsCodec },
  NSUBS: { since: since.services, party: 'service', credentials: owner, codec: nsubsCodec },

  PING: { since: SMP_MIN, party: 'none', credentials: nobody, codec: bare('PING') },
  PRXY: { since: since.proxying, party: 'none', credentials: nobody, codec: prxyCodec },
  PFWD: { since: since.proxying, party: 'none', credentials: bearer, codec: pfwdCodec },
  RFWD: { since: since.proxying, party: 'none', credentials: nobody, codec: rfwdCodec },
  RSLV: { since: since.names, party: 'none', credentials: nobody, codec: rslvCodec },
}
