import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode } from './error-code.ts'
import { asOwnerOf } from './owner.ts'

/** Creates a directory that only its owner can enter, unless it exists. Parents get the default mode. */
export async function makePrivateDirectory(path: string): Promise<void> {
  const parent = dirname(path)
  await mkdir(parent, { recursive: true })
  await asOwnerOf(parent, async () => {
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error
    })
  })
}
