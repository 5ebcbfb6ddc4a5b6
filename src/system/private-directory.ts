import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Creates a directory that only its owner can enter; one that is there stays as it is. Parents get the usual mode. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
