import type { OnionHostname } from '../../crypto/onion-address.ts'
import { parseOnionHostname } from '../../crypto/onion-address.ts'
import type { PublicationOutcome, Timeouts } from '../onion/await-publication.ts'
import { defaultTimeouts } from './await-setup.ts'
import { SetupJournal } from './journal.ts'
import { isOnionOnly, type PlanOptions, planSetup, type SetupRequest } from './plan-setup.ts'
import { rollBackUnfinished, runSteps, type SetupProgress } from './run-steps.ts'
import type { Step } from './step.ts'

/*
 * `smp-server tor setup`: from a relay without an onion address to one that has it in its INI file. Each step first looks
 * whether it is done, so a second run changes nothing. A run that fails or is interrupted reverts what it has changed.
 */

export interface SetupRun {
  readonly progress: SetupProgress
  readonly timeouts?: Timeouts | undefined
  readonly signal?: AbortSignal | undefined
  /** Shows what is going to be done, and asks; rejects to cancel. */
  readonly confirm?: ((steps: readonly Step[]) => Promise<void>) | undefined
}

export interface SetupResult {
  readonly hostname: OnionHostname
  /** As `[TRANSPORT] host` has them now. */
  readonly hosts: readonly string[]
  readonly onionOnly: boolean
  /** Paths of the files that were created or changed. */
  readonly changed: readonly string[]
  /** Nothing had to be done. */
  readonly wasDone: boolean
  readonly publication: PublicationOutcome
  /** The user who was given access to the control socket of a tor of the system, which takes effect at a restart. */
  readonly joined: string | undefined
}

/** @throws AppError */
export async function setUpTor(
  request: SetupRequest,
  plan: PlanOptions,
  { progress, timeouts = defaultTimeouts, signal, confirm }: SetupRun,
): Promise<SetupResult> {
  const { tools } = plan
  const journal = await SetupJournal.open(tools.places.keyFile)
  await rollBackUnfinished(journal, tools, progress)
  const setup = await planSetup(request, plan)
  const installs = plan.installation ? setup.steps.slice(0, 1) : []
  if (installs.length === 0) await setup.verify()
  await confirm?.(setup.steps)
  await runSteps(installs, journal, progress, signal)
  if (installs.length > 0) await setup.verify()
  const changed = await runSteps(setup.steps.slice(installs.length), journal, progress, signal)
  const publication = await setup.publication(progress, timeouts, signal).catch((error: unknown) => {
    // What was set up stays, and is published without this program.
    if (signal?.aborted) return { published: false, why: 'interrupted' } as const
    throw error
  })
  const hostname = parseOnionHostname(setup.hostname)
  if (!hostname) throw new TypeError('a key has an address')
  return {
    hostname,
    hosts: setup.hosts,
    onionOnly: isOnionOnly(setup.hosts),
    changed,
    wasDone: setup.steps.every(({ isDone }) => isDone),
    publication,
    joined: setup.joins,
  }
}
