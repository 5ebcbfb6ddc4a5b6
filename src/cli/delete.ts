import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { Refusal } from '../errors/refusal.ts'
import { requireStopped } from '../store/lmdb/stopped.ts'
import { print } from './output.ts'
import { withPrompt } from './prompt.ts'
import { errorCode } from '../system/error-code.ts'

export function addDelete(program: Command, { paths }: Context): void {
  program
    .command('delete')
    .description('Delete the configuration, the identity, all queues and all messages')
    .action(async () => {
      requireStopped(paths.store)
      print(
        'WARNING: deleting the server will make all queues inaccessible, because the server identity (certificate fingerprint) will change.',
        'THIS CANNOT BE UNDONE!',
      )
      const answer = await withPrompt((prompt) => prompt.ask('Continue (Y/n): '))
      if (answer !== 'Y') throw new Refusal('Server NOT deleted')
      requireStopped(paths.store)
      for (const directory of [paths.configDir, paths.stateDir]) await deleteDirectory(directory)
      print('Deleted configuration and log files')
    })
}

/**
 * Empties a directory and removes it. Its user may own it without the right to remove it from its parent; then it
 * stays, empty.
 */
async function deleteDirectory(path: string): Promise<void> {
  const names = await readdir(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  })
  for (const name of names) await rm(join(path, name), { recursive: true, force: true })
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    if (['EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return
    throw error
  })
}
