import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { temporaryName } from '../system/temporary-file.ts'

/** The content of each file by its path below the root of the site, with `/`. */
export type SiteFiles = ReadonlyMap<string, string | Buffer>

/**
 * Writes the files of the site, each one atomically. Unchanged files keep their times, so that browsers can keep their
 * copies. Other files in the directory are left alone.
 *
 * @throws the system's error
 */
export async function writeSite(root: string, files: SiteFiles): Promise<void> {
  for (const [path, content] of files) await replaceFile(join(root, path), content)
}

async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  if ((await bytesOf(path))?.equals(Buffer.from(content)) === true) return
  const directory = dirname(path)
  await mkdir(directory, { recursive: true })
  // Files whose names begin with a dot are never served.
  const temporary = temporaryName(join(directory, '.site'))
  try {
    await writeFile(temporary, content, { flag: 'wx' })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

function bytesOf(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch(() => undefined)
}
