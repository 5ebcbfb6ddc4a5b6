import { Decrypter, Encrypter } from 'age-encryption'
import { AppError } from '../errors/app-error.ts'

/*
 * Files in the format of `age` (age-encryption.org/v1), which the `age` program reads and writes as well. They are
 * encrypted either to one passphrase (scrypt) or to any number of recipients.
 */

/** What a file is encrypted with. */
export type AgeLock =
  | { readonly type: 'passphrase'; readonly passphrase: string; readonly workFactor: number }
  /** `age1…` */
  | { readonly type: 'recipients'; readonly recipients: readonly string[] }

/** What opens a file. */
export type AgeKey =
  | { readonly type: 'passphrase'; readonly passphrase: string }
  /** `AGE-SECRET-KEY-1…` */
  | { readonly type: 'identities'; readonly identities: readonly string[] }

/**
 * The base-2 logarithm of scrypt's work factor for small files: age's own. Whoever guesses a passphrase needs a second
 * and 256 MiB for each guess, and so does this program, once.
 */
const WORK_FACTOR = 18

/** What the faults of a file say about it. */
export interface AgeFile {
  readonly path: string
  /** The command that makes such files. */
  readonly madeBy: string
  /** What to do with a file that no passphrase opens. */
  readonly otherRecipient?: string
  /** What to do with a file in another format, if more can be said than to pass another one. */
  readonly otherKind?: (start: string) => string | undefined
}

const BINARY_START = 'age-encryption.org/v1\n'
/** More than a header with some dozens of recipients has, in bytes. */
const HEAD_LENGTH = 16_384
/** Recipients in the header that an identity (`AGE-SECRET-KEY-…`) can belong to. */
const IDENTITY_TYPES = ['X25519', 'mlkem768x25519']

/** Encrypts bytes with a passphrase. */
export async function sealBytes(content: Uint8Array, passphrase: string): Promise<Buffer> {
  const lock: AgeLock = { type: 'passphrase', passphrase, workFactor: WORK_FACTOR }
  return Buffer.from(await encrypter(lock).encrypt(content))
}

/** Encrypts a stream of any length, chunk by chunk as the result is read. */
export async function sealStream(
  content: AsyncIterable<Uint8Array>,
  lock: AgeLock,
): Promise<AsyncIterable<Uint8Array>> {
  return chunksOf(await encrypter(lock).encrypt(streamOf(content)))
}

/**
 * Decrypts a whole file.
 *
 * @throws AppError `BACKUP_KIND`, `BACKUP_PASSPHRASE`, `BACKUP_DAMAGED`
 */
export async function openBytes(file: Uint8Array, passphrase: string, about: AgeFile): Promise<Uint8Array> {
  if (lockTypeOf(file, about) !== 'passphrase') throw notForPassphrase(about)
  try {
    return await decrypter({ type: 'passphrase', passphrase }).decrypt(file)
  } catch (error) {
    throw openFault(error, about.path, 'passphrase')
  }
}

/**
 * Decrypts a file chunk by chunk. Only reading to the end shows that the file is complete.
 *
 * @param keyFor asked once, when the header says what the file is encrypted with
 * @throws AppError `BACKUP_KIND`, `BACKUP_PASSPHRASE`, `BACKUP_IDENTITY`, `BACKUP_DAMAGED`, the last one also while the
 *   content is read; and whatever reading the file and `keyFor` throw
 */
export async function* openStream(
  file: AsyncIterable<Uint8Array>,
  keyFor: (type: AgeLock['type']) => Promise<AgeKey>,
  about: AgeFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, rest } = await beginningOf(file, HEAD_LENGTH)
  const type = lockTypeOf(head, about)
  const key = await keyFor(type)
  let readFault: Error | undefined
  const source = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield head
    try {
      yield* rest
    } catch (error) {
      if (error instanceof Error) readFault = error
      throw error
    }
  })()
  try {
    yield* chunksOf(await decrypter(key).decrypt(streamOf(source)))
  } catch (error) {
    throw readFault ?? openFault(error, about.path, type)
  }
}

/** The first bytes of a stream, at least `length` of them if it has so many, and what follows. */
export async function beginningOf(
  stream: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ readonly head: Buffer; readonly rest: AsyncIterable<Uint8Array> }> {
  const chunks = stream[Symbol.asyncIterator]()
  const parts: Uint8Array[] = []
  for (let size = 0; size < length;) {
    const next = await chunks.next()
    if (next.done) break
    parts.push(next.value)
    size += next.value.length
  }
  return { head: Buffer.concat(parts), rest: { [Symbol.asyncIterator]: () => chunks } }
}

/** Whether a text is a recipient (`age1…`) that files can be encrypted to. */
export function isAgeRecipient(text: string): boolean {
  try {
    new Encrypter().addRecipient(text)
    return true
  } catch {
    return false
  }
}

/** Whether a text is an identity (`AGE-SECRET-KEY-1…`). */
export function isAgeIdentity(text: string): boolean {
  try {
    new Decrypter().addIdentity(text)
    return true
  } catch {
    return false
  }
}

/** @throws AppError `BACKUP_KIND`, `BACKUP_DAMAGED` when this is not the beginning of a file that can be opened */
function lockTypeOf(head: Uint8Array, about: AgeFile): AgeLock['type'] {
  const { path, madeBy, otherKind } = about
  const [start = ''] = Buffer.from(head.subarray(0, HEAD_LENGTH)).toString('latin1').split('\n---')
  if (start.startsWith(BINARY_START)) {
    const types = [...start.matchAll(/^-> (\S+) /gm)].map(([, type = '']) => type)
    // A header that is cut off is left to the decrypter.
    if (types.length === 0 || types[0] === 'scrypt') return 'passphrase'
    if (types.some((type) => IDENTITY_TYPES.includes(type))) return 'recipients'
    throw new AppError(
      'BACKUP_KIND',
      `${path} is encrypted to a recipient of type ${types[0] ?? ''}, which smp-server cannot open.`,
      about.otherRecipient ?? `Decrypt it with age: \`age -d -i KEY_FILE ${path} | smp-server restore -\``,
    )
  }
  // Cut off within the first line.
  if (BINARY_START.startsWith(start)) throw ageFileDamaged(path)
  const remedy = otherKind?.(start) ?? `Pass a file that \`${madeBy}\` has written.`
  throw new AppError('BACKUP_KIND', `${path} is not an encrypted backup.`, remedy)
}

function notForPassphrase({ path, otherRecipient }: AgeFile): AppError {
  return new AppError('BACKUP_KIND', `${path} is not encrypted with a passphrase.`, otherRecipient)
}

function openFault(error: unknown, path: string, type: AgeLock['type']): AppError {
  const why = error instanceof Error ? error.message : ''
  if (!why.startsWith('no identity matched')) return ageFileDamaged(path, error)
  if (type === 'recipients') {
    const message = `${path} is encrypted to other recipients than the given identities.`
    const remedy = 'Pass the file with the identity of one of its recipients: `--identity-file FILE`'
    return new AppError('BACKUP_IDENTITY', message, remedy, { cause: error })
  }
  const remedy = 'Type it again. If it is certainly right, the file was changed: use another copy.'
  return new AppError('BACKUP_PASSPHRASE', `The passphrase does not open ${path}.`, remedy, { cause: error })
}

export function ageFileDamaged(path: string, cause?: unknown): AppError {
  const remedy = 'It may be an incomplete copy: use another copy.'
  return new AppError('BACKUP_DAMAGED', `${path} is damaged.`, remedy, { cause })
}

function encrypter(lock: AgeLock): Encrypter {
  const made = new Encrypter()
  if (lock.type === 'passphrase') {
    made.setPassphrase(lock.passphrase)
    made.setScryptWorkFactor(lock.workFactor)
  } else for (const recipient of lock.recipients) made.addRecipient(recipient)
  return made
}

function decrypter(key: AgeKey): Decrypter {
  const made = new Decrypter()
  if (key.type === 'passphrase') made.addPassphrase(key.passphrase)
  else for (const identity of key.identities) made.addIdentity(identity)
  return made
}

/** Pulls one chunk at a time, and ends the source when the stream is cancelled. */
function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next()
        if (next.done) controller.close()
        else controller.enqueue(next.value)
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader()
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
