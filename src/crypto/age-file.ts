import { Decrypter, Encrypter } from 'age-encryption'
import { AppError } from '../errors/app-error.ts'

/*
 * Files that a passphrase opens: age files (age-encryption.org/v1) with one scrypt recipient, which the `age` program
 * opens as well. Sealing and opening take a second or more and 256 MiB, as they take everybody who guesses passphrases.
 */

/** What the faults of a file say about it. */
export interface AgeFile {
  readonly path: string
  /** The command that makes such files. */
  readonly madeBy: string
  /** What to do with one for another recipient than a passphrase. */
  readonly otherRecipient: string
  /** What to do with one that is no age file at all, if more can be said than to name another one. */
  readonly otherKind?: (start: string) => string | undefined
}

const binaryStart = 'age-encryption.org/v1\n'
/** The first line, and the recipient behind it. */
const headLength = 1024

/** Encrypts bytes. */
export async function sealBytes(content: Uint8Array, passphrase: string): Promise<Buffer> {
  return Buffer.from(await encrypter(passphrase).encrypt(content))
}

/** Encrypts what need not fit into memory; whoever reads the result reads the content. */
export async function sealStream(
  content: AsyncIterable<Uint8Array>,
  passphrase: string,
): Promise<AsyncIterable<Uint8Array>> {
  return chunksOf(await encrypter(passphrase).encrypt(streamOf(content)))
}

/**
 * Opens a whole file.
 *
 * @throws AppError `BACKUP_KIND`, `BACKUP_PASSPHRASE`, `BACKUP_DAMAGED`
 */
export async function openBytes(file: Uint8Array, passphrase: string, about: AgeFile): Promise<Uint8Array> {
  requirePassphrase(file, about)
  try {
    return await decrypter(passphrase).decrypt(file)
  } catch (error) {
    throw openFault(error, about.path)
  }
}

/**
 * Opens a file piece by piece. Only who has read to the end knows that nothing is missing.
 *
 * @throws AppError as of `openBytes`, the last one also while the content is read; and what reading the file throws
 */
export async function* openStream(
  file: AsyncIterable<Uint8Array>,
  passphrase: string,
  about: AgeFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  let readFault: Error | undefined
  try {
    const source = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      let head: Buffer | undefined = Buffer.alloc(0)
      try {
        for await (const chunk of file) {
          if (head === undefined) {
            yield chunk
            continue
          }
          head = Buffer.concat([head, chunk])
          if (head.length < headLength) continue
          requirePassphrase(head, about)
          yield head
          head = undefined
        }
        if (head === undefined) return
        requirePassphrase(head, about)
        yield head
      } catch (error) {
        if (error instanceof Error) readFault = error
        throw error
      }
    })()
    yield* chunksOf(await decrypter(passphrase).decrypt(streamOf(source)))
  } catch (error) {
    throw readFault ?? openFault(error, about.path)
  }
}

/** @throws AppError `BACKUP_KIND`, `BACKUP_DAMAGED` when this is no beginning of a file that a passphrase opens */
function requirePassphrase(head: Uint8Array, { path, madeBy, otherRecipient, otherKind }: AgeFile): void {
  const start = Buffer.from(head.subarray(0, headLength)).toString('latin1')
  if (start.startsWith(binaryStart)) {
    const recipient = /^-> (\S+) /m.exec(start)?.[1]
    // A header that ends too early to tell is left to the decrypter.
    if (recipient === undefined || recipient === 'scrypt') return
    throw new AppError('BACKUP_KIND', `${path} was not encrypted with a passphrase.`, otherRecipient)
  }
  // The first line was cut off in the middle, as well as everything behind it.
  if (binaryStart.startsWith(start)) throw ageFileDamaged(path)
  const remedy = otherKind?.(start) ?? `Name a file that \`${madeBy}\` has made.`
  throw new AppError('BACKUP_KIND', `${path} is not an encrypted backup.`, remedy)
}

function openFault(error: unknown, path: string): AppError {
  const why = error instanceof Error ? error.message : ''
  if (!why.startsWith('no identity matched')) return ageFileDamaged(path, error)
  const remedy = 'Type it again; if it is certainly right, the file was changed: take another copy of it.'
  return new AppError('BACKUP_PASSPHRASE', `The passphrase does not open ${path}.`, remedy, { cause: error })
}

export function ageFileDamaged(path: string, cause?: unknown): AppError {
  const remedy = 'It may have been cut off while it was copied: take another copy of it.'
  return new AppError('BACKUP_DAMAGED', `${path} is damaged.`, remedy, { cause })
}

function encrypter(passphrase: string): Encrypter {
  const made = new Encrypter()
  made.setPassphrase(passphrase)
  return made
}

function decrypter(passphrase: string): Decrypter {
  const made = new Decrypter()
  made.addPassphrase(passphrase)
  return made
}

/** Pulls one chunk at a time, and ends the source when nobody wants more. */
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
