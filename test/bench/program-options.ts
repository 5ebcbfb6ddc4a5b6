import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../project-root.ts'

/** The options of node with which the program starts itself: those in the first line of its main file. */
export const programOptions = (): string[] => {
  const [first = ''] = readFileSync(join(projectRoot, 'src/cli/main.ts'), 'utf8').split('\n', 1)
  const options = /^#!\/usr\/bin\/env -S node (--.+)$/.exec(first)?.[1]
  if (options === undefined) throw new Error('the first line of src/cli/main.ts names no options of node')
  return options.split(' ')
}
