import { randomBytes } from 'node:crypto'
import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { asOwnerOf } from './owner.ts'
import { isRunning, thisProcess } from './process-mark.ts'

/** The end of the name of a file that is being written, or was when its process was killed. */
export const TEMPORARY_ENDING = /\.(\d+)-(\d*)\.[0-9a-f]{12}\.new$/

/** A free name beside `target` for what will take its place. It says which process writes it. */
export function temporaryName(target: string): string {
  const { pid, processStart = '' } = thisProcess()
  return `${target}.${pid}-${processStart}.${randomBytes(6).toString('hex')}.new`
}

/** Removes what processes of this machine that were killed have left in a directory of the relay. */
export async function removeAbandoned(directory: string): Promise<void> {
  await asOwnerOf(directory, async () => {
    for (const name of await readdir(directory).catch((): string[] => [])) {
      const [, pid, processStart] = TEMPORARY_ENDING.exec(name) ?? []
      if (pid === undefined || isRunning({ pid: Number(pid), ...(processStart && { processStart }) })) continue
      await unlink(join(directory, name)).catch(() => undefined)
    }
  })
}
