import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../../system/durable-file.ts'
import { exists, upstreamFiles } from './files.ts'

/** One line that no SMP server takes for a record: others show it in their log and go on. */
const NOTICE =
  '# The queues and messages are in smp-server-store beside this file. Before another SMP server starts here, run: smp-server store export'

/**
 * Puts a notice where other SMP servers keep their queues, unless something is there. Service units copy that file
 * after every stop and fail when there is none; whoever starts another server without an export reads what is missing.
 */
export async function leaveNotice(directory: string): Promise<void> {
  const path = join(directory, upstreamFiles.storeLog)
  if (!(await exists(path))) await writeDurably(path, `${NOTICE}\n`, { mode: 0o600, ifExists: 'fail' })
}

/** Whether the notice says that a store holds the queues. */
export async function hasNotice(directory: string): Promise<boolean> {
  const path = join(directory, upstreamFiles.storeLog)
  return (await holdsNothing(path)) && (await readFile(path, 'utf8')).startsWith(NOTICE.slice(0, 50))
}

/** Whether a file is there that holds nothing: an empty one, or a notice. */
export async function holdsNothing(path: string): Promise<boolean> {
  if (!(await exists(path))) return false
  const { size } = await stat(path)
  return size === 0 || (size < 1000 && /^#[^\n]*\n?$/.test(await readFile(path, 'utf8')))
}
