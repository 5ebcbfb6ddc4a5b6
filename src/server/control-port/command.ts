import { parseBlockingInfo } from '../../protocol/blocking-info.ts'
import { idFromBytes, type EntityId } from '../../protocol/ids.ts'
import type { BlockedStatus } from '../../store/store.ts'

/** Commands that are one word. */
const words = [
  'suspend',
  'resume',
  'clients',
  'stats',
  'stats-rts',
  'threads',
  'sockets',
  'socket-threads',
  'server-info',
  'save',
  'help',
  'quit',
] as const

/** Commands about one queue, named by its sender id or its link id. */
const queueWords = ['delete', 'status', 'unblock'] as const

export type ControlCommand =
  | { readonly type: (typeof words)[number] | 'nothing' }
  | { readonly type: 'auth'; readonly password: string }
  | { readonly type: (typeof queueWords)[number]; readonly id: EntityId }
  | { readonly type: 'block'; readonly id: EntityId; readonly status: BlockedStatus }

export type ControlVerb = ControlCommand['type']

/** What is wrong with a line, as the rest of a sentence that begins with `error: `. */
export interface ControlFault {
  readonly type: 'fault'
  readonly message: string
}

/** Ids have 1 to 255 bytes. */
const ID_PATTERN = /^[A-Za-z0-9_-]{2,340}={0,2}$/

/**
 *     line    = word / "auth" SP password / ( "delete" / "status" / "unblock" ) SP id / "block" SP id SP blockingInfo / ""
 *     id      = base64url of a sender id or a link id, padded or not
 *
 * @param line a latin1 byte string without its end; blanks around it do not count
 */
export function parseControlCommand(line: string): ControlCommand | ControlFault {
  const text = line.replace(/^[ \t]+|[ \t]+$/g, '')
  if (text === '') return { type: 'nothing' }
  const [, verb = '', rest = ''] = /^([^ \t]*)[ \t]*(.*)$/s.exec(text) ?? []
  if (verb === 'auth') return rest === '' ? usage('auth PASSWORD') : { type: 'auth', password: rest }
  if (verb === 'block') return parseBlock(rest)
  const queueVerb = queueWords.find((word) => word === verb)
  if (queueVerb !== undefined) {
    const id = parseId(rest)
    return id === undefined ? usage(`${queueVerb} ID`) : { type: queueVerb, id }
  }
  const type = words.find((word) => word === verb)
  if (type === undefined) return { type: 'fault', message: 'Failed reading: bad ControlProtocol command' }
  return rest === '' ? { type } : usage(type)
}

function parseBlock(text: string): ControlCommand | ControlFault {
  const [, idText = '', infoText = ''] = /^([^ \t]*)[ \t]*(.*)$/s.exec(text) ?? []
  const [id, info] = [parseId(idText), parseBlockingInfo(infoText)]
  if (id === undefined || info === undefined) return usage('block ID reason=spam|content[,notice={"ttl":SECONDS}]')
  return { type: 'block', id, status: { type: 'blocked', ...info } }
}

function parseId(text: string): EntityId | undefined {
  return ID_PATTERN.test(text) ? idFromBytes<EntityId>(Buffer.from(text, 'base64url')) : undefined
}

function usage(form: string): ControlFault {
  return { type: 'fault', message: `Failed reading: the command is written ${form}` }
}
