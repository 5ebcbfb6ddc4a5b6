import { AppError } from '../../errors/app-error.ts'
import { TorControl } from '../control/tor-control.ts'
import { connectOwnTor } from './own-tor.ts'
import type { TorForm } from './session.ts'

/**
 * Connects to the tor of this form if it runs; starts none.
 *
 * @throws AppError as of `TorControl.connect`, except that there is no tor
 */
export async function connectRunningTor(form: TorForm): Promise<TorControl | undefined> {
  if (form.mode === 'own') return await connectOwnTor(form.directory)
  try {
    return await TorControl.connect({ endpoint: form.control, password: form.password })
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOR_CONTROL_ABSENT') return undefined
    throw error
  }
}
