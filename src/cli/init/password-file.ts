import { stat } from 'node:fs/promises'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import { addressPassword } from '../../config/key-values.ts'
import { readSmallFile } from '../../system/small-file.ts'

export interface FilePassword {
  readonly password: string
  /** A sentence when others on this machine can read the file. */
  readonly warning: string | undefined
}

/** Where container engines put what they hand to one container alone, readable by whoever runs there. */
const engineSecrets = '/run/secrets/'

/**
 * The first line of a file is the password; what the line ends with does not count.
 *
 * @throws AppError `PASSWORD_FILE`, and as of `readSmallFile`
 */
export async function readPasswordFile(path: string): Promise<FilePassword> {
  const remedy = 'Name a file whose first line is the password.'
  const [line = ''] = (await readSmallFile(path, remedy)).toString('utf8').split(/\r?\n/, 1)
  if (line === '') throw new AppError('PASSWORD_FILE', `The first line of ${path} is empty.`, remedy)
  const result = v.safeParse(addressPassword, line)
  if (!result.success) {
    const message = `The password in ${path} ${result.issues[0].message}.`
    throw new AppError('PASSWORD_FILE', message, 'Its first line is the password, as it is going to be in the address.')
  }
  return { password: result.output, warning: await readableByOthers(path) }
}

/** A file that its group may read was shared on purpose; all others of the machine hardly ever are. */
async function readableByOthers(path: string): Promise<string | undefined> {
  if (path.startsWith(engineSecrets) || ((await stat(path)).mode & 0o004) === 0) return undefined
  return `Warning: every user of this machine can read the password in ${path}. Keep it to yourself: chmod 600 ${path}`
}
