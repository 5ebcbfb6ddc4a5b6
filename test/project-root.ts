import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The directory of package.json, from here or from where this is compiled to. */
export const projectRoot = findRoot(import.meta.dirname)

function findRoot(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findRoot(dirname(directory))
}
