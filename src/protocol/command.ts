import type { Codec } from './codec.ts'
import { commandTable, type CommandMap, type CommandType } from './command-table.ts'
import { credentialError } from './credentials.ts'
import { commandError, type CommandError } from './errors.ts'
import { parseWhole } from './reader.ts'
import { Writer } from './writer.ts'

export type { CommandType } from './command-table.ts'

/** A command of the given types, of any without. */
export type Command<T extends CommandType = CommandType> = { [P in T]: CommandMap[P] & { readonly type: P } }[T]

/** A command that must be answered with this error. */
export interface UnparsedCommand {
  readonly type: 'error'
  readonly error: CommandError
}

const SPACE = 0x20
const UNKNOWN: UnparsedCommand = { type: 'error', error: commandError('UNKNOWN') }
const SYNTAX: UnparsedCommand = { type: 'error', error: commandError('SYNTAX') }

const parsers: ReadonlyMap<string, Codec<Command>['parse']> = new Map(
  Object.entries(commandTable).map(([word, { codec }]) => [word, codec.parse]),
)
const LONGEST_WORD = Math.max(...[...parsers.keys()].map((word) => word.length))

/**
 * Parses the command of a transmission (SMP wire format §6): the word is what stands before the first space, and the
 * parameters must be exactly what the word asks for at this version.
 *
 * @returns the command; its large parts are views of `bytes` where its type says so.
 */
export function parseCommand(bytes: Buffer, version: number): Command | UnparsedCommand {
  const space = bytes.subarray(0, LONGEST_WORD + 1).indexOf(SPACE)
  const length = space < 0 ? bytes.length : space
  if (length > LONGEST_WORD) return UNKNOWN
  const parse = parsers.get(bytes.toString('latin1', 0, length))
  if (parse === undefined) return UNKNOWN
  return parseWhole(bytes.subarray(length), (r) => parse(r, version)) ?? SYNTAX
}

/** Throws RangeError when a field is longer than its length can say. */
export function encodeCommand<T extends CommandType>(command: Command<T>, version: number): Buffer {
  const w = new Writer()
  commandTable[command.type].codec.encode(w.ascii(command.type), command, version)
  return w.done()
}

/** What is wrong with the credentials that came with a command (SMP commands §1). */
export function checkCredentials(
  type: CommandType,
  hasEntity: boolean,
  hasAuthorization: boolean,
): CommandError | undefined {
  return credentialError(commandTable[type].credentials, hasEntity, hasAuthorization)
}
