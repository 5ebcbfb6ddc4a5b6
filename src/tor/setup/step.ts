import type { CommandRunner } from '../../system/command.ts'
import { unifiedDiff } from '../../system/diff.ts'
import type { ServiceManager } from '../../system/service-manager.ts'
import type { TorPlace } from '../process/tor-place.ts'
import type { JournalEntry } from './entries.ts'

/*
 * Everything that `tor setup` changes is a list of steps. The plan, the diff of a dry run, the setup itself, its rollback
 * and `tor remove` all come from the steps, one file per kind in steps/.
 */

/** One reversible change. */
export interface Step {
  /** In the imperative, without a full stop: a line of the plan. */
  readonly describe: string
  readonly changes: Changes
  /** Everything is as it should be already, so the step is skipped. */
  readonly isDone: boolean
  /** What the journal needs to revert the step later, from another process. Empty for what is not reverted. */
  readonly entries: readonly JournalEntry[]
  /** Makes the changes, once `entries` are in the journal. */
  apply(): Promise<void>
  /** Undoes them. Returns sentences about what stays, because somebody has changed it since. */
  revert(): Promise<readonly string[]>
}

/** What an operator sees of a step in the plan and in the diff. */
export interface Changes {
  readonly files?: readonly FileChange[]
  /** As an operator would type them. */
  readonly commands?: readonly string[]
}

/** One file, before and after. */
export interface FileChange {
  readonly path: string
  /** `undefined`: there is no such file yet. */
  readonly before: string | undefined
  readonly after: string
  /** A key: its content is not shown. */
  readonly secret?: true
}

/** What steps are reverted with. */
export interface RevertTools {
  readonly places: Places
  readonly run: CommandRunner
  readonly services: ServiceManager
}

/** Where the things are that a journal names. */
export interface Places {
  readonly ini: string
  readonly keyFile: string
  readonly portsFile: string
  /** The torrc files of this machine; the usual ones when absent. */
  readonly torrcs?: readonly string[] | undefined
  /** The tors of this machine, where they are not where Debian has them. */
  readonly torPlace?: ((instance: string) => TorPlace) | undefined
}

export function changedFiles({ changes: { files = [] } }: Step): FileChange[] {
  return files.filter(({ before, after }) => before !== after)
}

/** The numbered steps that are still to do, each with its files and commands. */
export function planLines(steps: readonly Step[]): string[] {
  return toDo(steps).flatMap((step, index) => [
    `${String(index + 1).padStart(2)}. ${step.describe}`,
    ...changedFiles(step).map(({ path, before }) => `      ${before === undefined ? 'new file' : 'change'}: ${path}`),
    ...(step.changes.commands ?? []).map((command) => `      $ ${command}`),
  ])
}

/** The changes of all files, as a patch. */
export function planDiff(steps: readonly Step[]): string {
  return toDo(steps)
    .flatMap(changedFiles)
    .map((file) => (file.secret ? secretDiff(file) : unifiedDiff(file.path, file.before, file.after)))
    .join('')
}

export function toDo(steps: readonly Step[]): Step[] {
  return steps.filter(({ isDone }) => !isDone)
}

function secretDiff({ path, before }: FileChange): string {
  return `--- ${before === undefined ? '/dev/null' : path}\n+++ ${path}\n(a secret key, not shown)\n`
}
