import type { Paths } from '../config/paths.ts'

/** What every command gets from the process it runs in. */
export interface Context {
  readonly paths: Paths
  /** The line that `--version` prints. */
  readonly version: string
  /** The arguments as typed, without those of the Haskell run time. */
  readonly args: readonly string[]
}
