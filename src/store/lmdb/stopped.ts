import { join } from 'node:path'
import { lockHolders } from '../../system/lock-holders.ts'
import { copyingProcess } from './copy-mark.ts'
import { inUse } from './errors.ts'

/** The processes that have the store open, as far as they can be seen from here, but for one that copies it. */
export function storeUsers(path: string): number[] {
  const copier = copyingProcess(path)
  return lockHolders(join(path, 'lock.mdb')).filter((pid) => pid !== copier)
}

/**
 * For commands that must not meet a running relay; asks the kernel, and opens nothing.
 *
 * @throws AppError `STORE_IN_USE` with the process
 */
export function requireStopped(path: string): void {
  const user = storeUsers(path)[0]
  if (user !== undefined) throw inUse(path, user)
}
