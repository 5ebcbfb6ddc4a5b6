import { stat } from 'node:fs/promises'
import * as v from 'valibot'
import { AppError } from '../errors/app-error.ts'
import { addressPassword } from '../config/key-values.ts'
import { readSmallFile } from '../system/small-file.ts'

export interface FilePassword {
  readonly password: string
  /** A sentence when others on this machine can read the file. */
  readonly warning: string | undefined
}

/** Where container engines mount secrets of one container, readable by every user in it. */
const CONTAINER_SECRETS = '/run/secrets/'

/**
 * The first line of a file, without its line break.
 *
 * @throws AppError `PASSWORD_FILE`, and whatever `readSmallFile` throws
 */
export async function readPasswordFile(path: string): Promise<FilePassword> {
  const remedy = 'Pass a file whose first line is the password.'
  const [line = ''] = (await readSmallFile(path, remedy)).toString('utf8').split(/\r?\n/, 1)
  if (line === '') throw new AppError('PASSWORD_FILE', `The first line of ${path} is empty.`, remedy)
  const result = v.safeParse(addressPassword, line)
  if (!result.success) {
    const message = `The password in ${path} ${result.issues[0].message}.`
    throw new AppError('PASSWORD_FILE', message, remedy)
  }
  return { password: result.output, warning: await readableByOthers(path) }
}

/** A file that its group may read was shared on purpose; one that everybody may read hardly ever. */
async function readableByOthers(path: string): Promise<string | undefined> {
  if (path.startsWith(CONTAINER_SECRETS) || ((await stat(path)).mode & 0o004) === 0) return undefined
  return `Every user of this machine can read the password in ${path}. Run: \`chmod 600 ${path}\``
}
