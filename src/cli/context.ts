import type { Paths } from '../config/paths.ts'

/** What every command gets from the process it runs in. */
export interface Context {
  readonly paths: Paths
  /** The line that `--version` prints. */
  readonly version: string
  /** Where the source code of this program is, if its package says so. */
  readonly sourceCode: string | undefined
  /** The arguments as typed, without those of the Haskell runtime. */
  readonly args: readonly string[]
}
