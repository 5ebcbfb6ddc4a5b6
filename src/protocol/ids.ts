/** What an id names. `relay` is the session of a proxy with a relay (PFWD), `none` the empty id. */
export type EntityKind = 'recipient' | 'sender' | 'notifier' | 'link' | 'service' | 'relay' | 'none'

declare const idKind: unique symbol

/**
 * A byte string of 0..255 bytes held as a latin1 string, one character per byte: usable as a Map key, and without a tie
 * to the block that it came in.
 */
export type Id<K extends string> = string & { readonly [idKind]: K }

export type EntityId = Id<EntityKind>
export type RcvId = Id<'recipient'>
export type SndId = Id<'sender'>
export type NotifierId = Id<'notifier'>
export type LinkId = Id<'link'>
export type ServiceId = Id<'service'>
/** The session id of a relay as a client of its proxy names it. */
export type RelayId = Id<'relay'>
export type MsgId = Id<'message'>

export const NO_ENTITY = '' as Id<'none'>

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller says which kind of id it reads
export function idFromBytes<T extends EntityId | MsgId>(bytes: Uint8Array): T {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as T
}

/** Names the kind of an id, once the table of commands has said which party it belongs to. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as above
export function idAs<T extends EntityId>(id: EntityId): T {
  return id as T
}

export function idToBytes(id: EntityId | MsgId): Buffer {
  return Buffer.from(id, 'latin1')
}

/** Base64url with padding, as ids are written in text formats. */
export function idToBase64url(id: EntityId | MsgId): string {
  return idToBytes(id).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
