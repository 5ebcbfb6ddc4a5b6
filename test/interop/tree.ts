import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Every file below some directories with the hash of its content, and every directory, with their permissions. */
export function tree(...directories: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (path: string, name: string): void => {
    const { mode } = lstatSync(path)
    const isDirectory = lstatSync(path).isDirectory()
    const content = isDirectory ? 'directory' : createHash('sha256').update(readFileSync(path)).digest('hex')
    found[name] = `${mode.toString(8)} ${content}`
    if (isDirectory) for (const entry of readdirSync(path).sort()) visit(join(path, entry), join(name, entry))
  }
  for (const directory of directories) visit(directory, relative(join(directory, '..'), directory))
  return found
}
