import type { AuthKey, DhKey } from '../../crypto/keys.ts'
import { readPassword } from '../basic-auth.ts'
import type { Codec } from '../codec.ts'
import {
  readAuthKey,
  readDhKey,
  readLinkData,
  readNotifierKeys,
  writeKey,
  writeLinkData,
  writeNotifierKeys,
  type LinkData,
  type NotifierKeys,
} from '../fields.ts'
import type { LinkId, SndId } from '../ids.ts'
import { refuse, type Reader } from '../reader.ts'
import { since } from '../versions.ts'
import type { Writer } from '../writer.ts'

/** Creates a queue. */
export interface NewCommand {
  readonly type: 'NEW'
  readonly rcvAuthKey: AuthKey
  readonly rcvDhKey: DhKey
  /** A latin1 byte string. */
  readonly password?: string
  /** Subscribe this connection at once. */
  readonly subscribe: boolean
  /** Absent: a queue of unknown mode. */
  readonly queueRequest?: QueueRequest
  readonly notifierKeys?: NotifierKeys
}

export type QueueRequest =
  /** A one-time invitation: the sender secures the queue. */
  | { readonly mode: 'M'; readonly link?: MessagingLink }
  /** A contact address. */
  | { readonly mode: 'C'; readonly link?: ContactLink }

export interface MessagingLink extends LinkData {
  readonly sndId: SndId
}

export interface ContactLink extends LinkData {
  readonly linkId: LinkId
  readonly sndId: SndId
}

/**
 *     v6..8:   NEW = "NEW" SP authKey dhKey [ "A" password ] subMode
 *     v9..14:  NEW = "NEW" SP authKey dhKey maybe(password) subMode bool       ; T: messaging, F: contact
 *     v15,16:  NEW = "NEW" SP authKey dhKey maybe(password) subMode maybe(queueRequest)
 *     v17:     NEW = "NEW" SP authKey dhKey maybe(password) subMode maybe(queueRequest) maybe(notifierKeys)
 *     subMode      = "S" / "C"                                                 ; subscribe, create only
 *     queueRequest = "M" maybe( short(sndId) link ) / "C" maybe( short(linkId) short(sndId) link )
 */
export const newCodec: Codec<NewCommand> = {
  parse(r, version) {
    r.space()
    const rcvAuthKey = readAuthKey(r)
    const rcvDhKey = readDhKey(r)
    const oldForm = version < since.senderKey ? readOldPasswordAndMode(r) : undefined
    const password = oldForm ? oldForm.password : r.maybe(readPassword)
    const subscribe = oldForm ? oldForm.subscribe : readSubscribe(r)
    const queueRequest = readRequest(r, version)
    const notifierKeys = version >= since.newNotifier ? r.maybe(readNotifierKeys) : undefined
    return {
      type: 'NEW',
      rcvAuthKey,
      rcvDhKey,
      ...(password !== undefined && { password }),
      subscribe,
      ...(queueRequest && { queueRequest }),
      ...(notifierKeys && { notifierKeys }),
    }
  },

  encode(w, command, version) {
    w.space()
    writeKey(w, command.rcvAuthKey)
    writeKey(w, command.rcvDhKey)
    if (version >= since.senderKey) w.maybe(command.password, (password) => w.shortLatin1(password))
    else if (command.password !== undefined) w.ascii('A').shortLatin1(command.password)
    w.ascii(command.subscribe ? 'S' : 'C')
    writeRequest(w, command.queueRequest, version)
    if (version >= since.newNotifier) w.maybe(command.notifierKeys, (keys) => writeNotifierKeys(w, keys))
  },
}

function readOldPasswordAndMode(r: Reader): { password: string | undefined; subscribe: boolean } {
  const letter = r.letter(['A', 'S', 'C'])
  if (letter !== 'A') return { password: undefined, subscribe: letter === 'S' }
  return { password: readPassword(r), subscribe: readSubscribe(r) }
}

function readSubscribe(r: Reader): boolean {
  return r.letter(['S', 'C']) === 'S'
}

function readRequest(r: Reader, version: number): QueueRequest | undefined {
  if (version < since.senderKey) return undefined
  if (version < since.shortLinks) return { mode: r.bool() ? 'M' : 'C' }
  return r.maybe(readQueueRequest)
}

function writeRequest(w: Writer, request: QueueRequest | undefined, version: number): void {
  if (version >= since.shortLinks) w.maybe(request, (present) => writeQueueRequest(w, present))
  else if (version >= since.senderKey) w.bool(request?.mode === 'M')
}

function readQueueRequest(r: Reader): QueueRequest {
  const mode = r.letter(['M', 'C'])
  switch (mode) {
    case 'M': {
      const link = r.maybe(() => ({ sndId: r.id<SndId>(), ...readLinkData(r) }))
      return { mode, ...(link && { link }) }
    }
    case 'C': {
      const link = r.maybe(() => ({ linkId: r.id<LinkId>(), sndId: r.id<SndId>(), ...readLinkData(r) }))
      return { mode, ...(link && { link }) }
    }
    default:
      return refuse()
  }
}

function writeQueueRequest(w: Writer, request: QueueRequest): void {
  w.ascii(request.mode)
  if (request.mode === 'M') {
    w.maybe(request.link, (link) => writeLinkData(w.shortLatin1(link.sndId), link))
  } else {
    w.maybe(request.link, (link) => writeLinkData(w.shortLatin1(link.linkId).shortLatin1(link.sndId), link))
  }
}
