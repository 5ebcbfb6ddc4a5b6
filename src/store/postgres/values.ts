import type { CustomTypesConfig } from 'pg'

/** Object ids of PostgreSQL's types: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat */
const BOOL = 16
const BYTEA = 17
const INT8 = 20
const INT4 = 23
const TEXT = 25
const OID = 26

type Parser = (text: string) => unknown

const plain: Parser = (text) => text

const parsers: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [BOOL, (text) => text === 't'],
  [BYTEA, parseBytea],
  [INT8, parseInteger],
  [INT4, parseInteger],
  [OID, parseInteger],
])

/** Reads the types that this relay's statements return; everything else stays text. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: ((oid: number): Parser => parsers.get(oid) ?? plain) as CustomTypesConfig['getTypeParser'],
}

function parseInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is no number that this relay can count with`)
  return value
}

/** `\x` and hexadecimal digits, or the older form with three octal digits for other than printable bytes. */
function parseBytea(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  return Buffer.from(
    text.replace(/\\(\\|[0-7]{3})/g, (_, code: string) =>
      code === '\\' ? '\\' : String.fromCharCode(Number.parseInt(code, 8)),
    ),
    'latin1',
  )
}

/** Writes the array of one column in PostgreSQL's binary form, which spares the text form of bytes on both sides. */
function encodeArray<T>(
  oid: number,
  values: readonly (T | undefined)[],
  lengthOf: (value: T) => number,
  write: (out: Buffer, value: T, at: number) => void,
): Buffer {
  let size = 20
  for (const value of values) size += 4 + (value === undefined ? 0 : lengthOf(value))
  const out = Buffer.allocUnsafe(size)
  // dimensions ‖ has nulls ‖ element type ‖ length ‖ lower bound
  out.writeInt32BE(values.length === 0 ? 0 : 1, 0)
  out.writeInt32BE(values.includes(undefined) ? 1 : 0, 4)
  out.writeInt32BE(oid, 8)
  out.writeInt32BE(values.length, 12)
  out.writeInt32BE(1, 16)
  let at = 20
  for (const value of values) {
    const length = value === undefined ? -1 : lengthOf(value)
    out.writeInt32BE(length, at)
    at += 4
    if (value === undefined) continue
    write(out, value, at)
    at += length
  }
  return values.length === 0 ? out.subarray(0, 12) : out
}

/** A `bytea[]` of byte strings (ids), as they are held in memory. */
export function idArray(values: readonly (string | undefined)[]): Buffer {
  return encodeArray(
    BYTEA,
    values,
    (value) => value.length,
    (out, value, at) => void out.write(value, at, 'latin1'),
  )
}

/** A `bytea[]`. */
export function bytesArray(values: readonly (Uint8Array | undefined)[]): Buffer {
  return encodeArray(
    BYTEA,
    values,
    (value) => value.length,
    (out, value, at) => out.set(value, at),
  )
}

/** An `int8[]`. */
export function int8Array(values: readonly (number | bigint | undefined)[]): Buffer {
  return encodeArray(
    INT8,
    values,
    () => 8,
    (out, value, at) => void out.writeBigInt64BE(BigInt(value), at),
  )
}

/** An `int4[]`. */
export function int4Array(values: readonly (number | undefined)[]): Buffer {
  return encodeArray(
    INT4,
    values,
    () => 4,
    (out, value, at) => void out.writeInt32BE(value, at),
  )
}

/** A `bool[]`. */
export function boolArray(values: readonly boolean[]): Buffer {
  return encodeArray(
    BOOL,
    values,
    () => 1,
    (out, value, at) => void out.writeUInt8(value ? 1 : 0, at),
  )
}

/** A `text[]` of ASCII. */
export function textArray(values: readonly (string | undefined)[]): Buffer {
  return encodeArray(
    TEXT,
    values,
    (value) => Buffer.byteLength(value),
    (out, value, at) => void out.write(value, at, 'utf8'),
  )
}
