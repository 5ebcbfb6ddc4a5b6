import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { Refusal } from '../errors/refusal.ts'
import { requireStopped } from '../store/lmdb/stopped.ts'
import { printKnown } from './output.ts'
import { withPrompt } from './prompt.ts'
import { errorCode } from '../system/error-code.ts'

export function addDelete(program: Command, { paths }: Context): void {
  program
    .command('delete')
    .description('Delete this relay: configuration, identity, queues and messages')
    .action(async () => {
      requireStopped(paths.store)
      printKnown(
        'WARNING: deleting the server will make all queues inaccessible, because the server identity (certificate fingerprint) will change.',
        'THIS CANNOT BE UNDONE!',
      )
      const answer = await withPrompt((prompt) => prompt.ask('Continue (Y/n): '))
      if (answer !== 'Y') throw new Refusal('Server NOT deleted')
      requireStopped(paths.store)
      for (const directory of [paths.configDir, paths.stateDir]) await deleteDirectory(directory)
      printKnown('Deleted configuration and log files')
    })
}

/** Empties a directory and removes it; without the right to remove it from its parent it stays, empty. */
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
