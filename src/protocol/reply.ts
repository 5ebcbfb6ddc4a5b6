import type { Codec } from './codec.ts'
import type { EntityId } from './ids.ts'
import { parseWhole } from './reader.ts'
import { replyTable, type ReplyMap, type ReplyType } from './reply-table.ts'
import { writeTransmissionIds, type TransmissionContext } from './transmission.ts'
import { since } from './versions.ts'
import { Writer } from './writer.ts'

export type { ReplyType } from './reply-table.ts'

/** A reply or event of the given types, of any without. */
export type Reply<T extends ReplyType = ReplyType> = { [P in T]: ReplyMap[P] & { readonly type: P } }[T]

const OK: Reply<'OK'> = { type: 'OK' }
const END: Reply<'END'> = { type: 'END' }
const SPACE = 0x20

const parsers: ReadonlyMap<string, Codec<Reply>['parse']> = new Map(
  Object.entries(replyTable).map(([word, { codec }]) => [word, codec.parse]),
)
const LONGEST_WORD = Math.max(...[...parsers.keys()].map((word) => word.length))

/** Encodes a reply as clients of this version know it. */
export function encodeReply(reply: Reply, version: number): Buffer {
  const w = new Writer(expectedSize(reply))
  writeReply(w, reply, version)
  return w.done()
}

/** A relay's transmission in one piece: `encodeTransmission` of `encodeReply`, with one copy fewer. */
export function encodeReplyTransmission(
  corrId: Buffer,
  entityId: EntityId,
  reply: Reply,
  context: TransmissionContext,
): Buffer {
  const ids = corrId.length + entityId.length + context.sessionId.length + 4
  const w = new Writer(ids + expectedSize(reply)).byte(0)
  writeTransmissionIds(w, corrId, entityId, context)
  writeReply(w, reply, context.version)
  return w.done()
}

/** What a client, or a proxy, reads; undefined when it is no reply of this version. */
export function parseReply(bytes: Buffer, version: number): Reply | undefined {
  const space = bytes.subarray(0, LONGEST_WORD + 1).indexOf(SPACE)
  const length = space < 0 ? bytes.length : space
  if (length > LONGEST_WORD) return undefined
  const parse = parsers.get(bytes.toString('latin1', 0, length))
  return parse && parseWhole(bytes.subarray(length), (r) => parse(r, version))
}

/** Whether a reply may come with an entity id, or without one. */
export function mayHaveEntity(type: ReplyType, hasEntity: boolean): boolean {
  const { entity } = replyTable[type]
  return entity === 'any' || (entity === 'required') === hasEntity
}

function writeReply(w: Writer, reply: Reply, version: number): void {
  const known = knownAt(reply, version)
  writeParameters(w.ascii(known.type), known, version)
}

function writeParameters<T extends ReplyType>(w: Writer, reply: Reply<T>, version: number): void {
  replyTable[reply.type].codec.encode(w, reply, version)
}

/** What a client gets that does not know the reply yet. */
function knownAt(reply: Reply, version: number): Reply {
  if (reply.type === 'SOK' && version < since.services) return OK
  if (reply.type === 'DELD' && version < since.deletedEvent) return END
  return reply
}

/** About how many bytes a reply takes when it is encoded: a large one at least as many, a small one mostly fewer. */
export function expectedSize(reply: Reply): number {
  switch (reply.type) {
    case 'MSG':
      return reply.body.length + 64
    case 'RRES':
      return reply.encFwdResponse.length + 16
    case 'PRES':
      return reply.encResponse.length + 16
    case 'LNK':
      return reply.link.fixedData.length + reply.link.userData.length + 64
    case 'PKEY':
      return 2048
    case 'RNAME':
      return reply.json.length + 64
    default:
      return 192
  }
}
