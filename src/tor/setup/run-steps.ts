import { AppError } from '../../errors/app-error.ts'
import type { SetupJournal } from './journal.ts'
import { revertEntries } from './revert.ts'
import { changedFiles, type RevertTools, type Step, toDo } from './step.ts'

/** How the steps are shown: spinners on a terminal, plain lines elsewhere. */
export interface SetupProgress {
  begin(text: string): void
  /** `percent` 0..100 where there is one. */
  update(text: string, percent?: number): void
  done(text: string): void
  /** What was begun did not succeed, and the setup goes on. */
  left(text: string): void
}

/**
 * Applies the steps in order. When one fails, or the signal aborts, those before it are reverted, last one first.
 *
 * @returns paths of the files that were created or changed
 * @throws what the step threw, or the signal's reason
 */
export async function runSteps(
  steps: readonly Step[],
  journal: SetupJournal,
  progress: SetupProgress,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const begun: Step[] = []
  if (toDo(steps).length === 0) return []
  await journal.begin()
  try {
    for (const step of toDo(steps)) {
      signal?.throwIfAborted()
      progress.begin(step.describe)
      for (const entry of step.entries) await journal.add(entry)
      begun.push(step)
      await step.apply()
      progress.done(step.describe)
    }
    signal?.throwIfAborted()
  } catch (error) {
    await rollBack(begun, error, journal, progress)
    throw error
  }
  await journal.finish()
  return begun.flatMap((step) => changedFiles(step).map(({ path }) => path))
}

/** What another process created while this one was about to: two setups at once. */
function isOfAnother({ entries }: Step, error: unknown): boolean {
  return error instanceof AppError && error.code === 'ONION_KEY_EXISTS' && entries.some(({ type }) => type === 'key')
}

async function rollBack(
  steps: readonly Step[],
  cause: unknown,
  journal: SetupJournal,
  progress: SetupProgress,
): Promise<void> {
  const failures: unknown[] = []
  if (steps.length > 0) progress.begin('Rolling back')
  for (const step of steps.toReversed()) {
    try {
      if (!isOfAnother(step, cause)) await step.revert()
      for (const entry of step.entries) await journal.strike(entry)
    } catch (error) {
      failures.push(error)
    }
  }
  if (steps.length > 0) progress.left(rollbackOutcome(failures))
  if (failures.length === 0) await journal.finish()
}

/**
 * Reverts what an interrupted setup has left.
 *
 * @returns whether there was one
 */
export async function rollBackUnfinished(
  journal: SetupJournal,
  tools: RevertTools,
  progress: SetupProgress,
): Promise<boolean> {
  const { unfinished } = journal
  if (!unfinished) return false
  progress.begin('Rolling back a setup that was interrupted')
  const { failures } = await revertEntries(journal, unfinished, tools)
  progress.left(rollbackOutcome(failures))
  if (failures.length > 0) {
    const [first] = failures
    const message = `A setup was interrupted, and not all of it could be rolled back: ${reason(first)}`
    throw new AppError('SETUP_UNFINISHED', message, 'Fix that, and run `smp-server tor remove` to retry.')
  }
  await journal.finish()
  return true
}

function rollbackOutcome(failures: readonly unknown[]): string {
  return failures.length === 0
    ? 'Rolled back: everything is as it was before'
    : `Rollback incomplete (${reason(failures[0])}); run \`smp-server tor remove\` to retry`
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
