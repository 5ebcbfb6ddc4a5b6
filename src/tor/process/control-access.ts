import { stat } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import { readSmallFile } from '../../system/small-file.ts'
import type { ControlEndpoint } from '../control/endpoint.ts'
import { TorControl } from '../control/tor-control.ts'

/** Where a tor is that the relay does not start, and how to log in there. */
export interface ControlAccess {
  readonly control: ControlEndpoint
  readonly password?: string | undefined
  /** A file of mode 0600 whose first line is the password; read at every login. */
  readonly passwordFile?: string | undefined
  /** tor's cookie, where this machine sees it; where tor says when absent. */
  readonly cookieFile?: string | undefined
}

/**
 * Connects to that tor and logs in.
 *
 * @throws AppError whatever `readPasswordFile` and `TorControl.connect` throw
 */
export async function connectControl(access: ControlAccess, signal?: AbortSignal): Promise<TorControl> {
  const { control: endpoint, passwordFile, cookieFile } = access
  const password = passwordFile === undefined ? access.password : await readPasswordFile(passwordFile)
  return await TorControl.connect({ endpoint, password, cookieFile, signal })
}

/**
 * The first line of a file that only its owner may read.
 *
 * @throws AppError `FILE_OPEN_TO_OTHERS`, `FILE_EMPTY`, and whatever `readSmallFile` throws
 */
async function readPasswordFile(path: string): Promise<string> {
  const hint = "Set control_password_file under [TOR] to a file with the password of tor's control port."
  const text = (await readSmallFile(path, hint)).toString('utf8')
  if (((await stat(path)).mode & 0o077) !== 0) {
    const message = `${path} holds the password of tor's control port, and others may read it.`
    throw new AppError('FILE_OPEN_TO_OTHERS', message, `chmod 600 ${path}`)
  }
  const [password = ''] = text.split(/\r?\n/, 1)
  if (password === '') throw new AppError('FILE_EMPTY', `The first line of ${path} is empty.`, hint)
  return password
}
