import { CONTESTED } from '../onion/descriptor.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { ControlEndpoint } from '../control/endpoint.ts'
import { TorControl } from '../control/tor-control.ts'
import {
  type PublicationListeners,
  type PublicationOutcome,
  PublicationWatch,
  type Timeouts,
} from '../onion/await-publication.ts'
import type { SupervisorState } from '../supervisor/state.ts'
import type { SetupProgress } from './run-steps.ts'
import type { ServedBySystem } from './steps/service.ts'

export const defaultTimeouts: Timeouts = { stallMs: 30_000, totalMs: 180_000 }

/** systemd reports a tor as started before its control socket and cookie are there. */
export async function connectSoon(endpoint: ControlEndpoint): Promise<TorControl> {
  const deadline = performance.now() + 10_000
  for (;;) {
    try {
      return await TorControl.connect({ endpoint })
    } catch (error) {
      const isStarting = error instanceof AppError && ['TOR_CONTROL_ABSENT', 'TOR_CONTROL_CLOSED'].includes(error.code)
      if (!isStarting || performance.now() > deadline) throw error
      await sleep(100)
    }
  }
}

/** Waits until a tor of the system has published the service. */
export async function publicationInTor(
  endpoint: ControlEndpoint,
  key: Pick<OnionKey, 'serviceId'>,
  progress: SetupProgress,
  timeouts: Timeouts,
  served?: ServedBySystem,
): Promise<PublicationOutcome> {
  progress.begin('Connecting to the Tor network')
  const control = served?.control ?? (await connectSoon(endpoint))
  try {
    const watch = served?.watch ?? (await PublicationWatch.open(control))
    const service = { key, wasThere: served?.wasThere ?? true }
    return shown(await watch.published(service, timeouts, publicationProgress(progress)), progress)
  } finally {
    control.close()
  }
}

/** A running relay, as the setup talks to it. */
export interface RelayLink {
  /** Lets it follow the changed INI file and key at once. */
  reload(): Promise<void>
  /** What it knows of its onion service; `undefined` while it has none. */
  state(): Promise<SupervisorState | undefined>
}

/** Waits until the running relay says that it has published the service. */
export async function publicationByRelay(
  relay: RelayLink | undefined,
  hostname: string,
  progress: SetupProgress,
  { stallMs, totalMs }: Timeouts,
  signal?: AbortSignal,
): Promise<PublicationOutcome> {
  if (!relay) return { published: false, why: 'the relay is not running' }
  const { bootstrap, publication } = publicationProgress(progress)
  progress.begin('Waiting for the running relay to start Tor')
  await relay.reload()
  const beganAt = performance.now()
  let progressAt = beganAt
  let last = ''
  for (;;) {
    const state = await relay.state()
    if (state?.hostname === hostname) {
      if (state.phase === 'published') return shown({ published: true }, progress)
      if (state.bootstrap) bootstrap?.(state.bootstrap)
      if (state.publication) publication?.(state.publication)
    }
    const seen = JSON.stringify([state?.hostname, state?.phase, state?.bootstrap, state?.publication])
    const now = performance.now()
    if (seen !== last) progressAt = now
    last = seen
    if (now - progressAt > stallMs || now - beganAt > totalMs) {
      return shown({ published: false, why: whyNot(state, hostname) }, progress)
    }
    await sleep(100, undefined, signal && { signal })
    signal?.throwIfAborted()
  }
}

function whyNot(state: SupervisorState | undefined, hostname: string): string {
  if (state?.hostname !== hostname) return state?.lastError?.message ?? 'the relay has not started Tor for it yet'
  if (state.lastError && state.phase === 'waiting') return state.lastError.message
  if (state.contestedAt) return CONTESTED.replace(/\.$/, '')
  const { bootstrap } = state
  if (bootstrap && bootstrap.progress < 100) {
    return `Tor is at ${bootstrap.progress} % (${bootstrap.warning ?? bootstrap.summary})`
  }
  return 'Tor has not uploaded the descriptor yet'
}

function shown(outcome: PublicationOutcome, progress: SetupProgress): PublicationOutcome {
  if (outcome.published) progress.done('The onion service is published')
  else progress.left(`Not published yet: ${outcome.why}`)
  return outcome
}

/** Shows the bootstrap and the uploads. */
export function publicationProgress(progress: SetupProgress): PublicationListeners {
  let isConnected = false
  return {
    bootstrap: ({ progress: percent, summary, warning }) => {
      if (isConnected) return
      if (percent < 100) {
        progress.update(warning === undefined ? summary : `${summary}: ${warning}`, percent)
        return
      }
      isConnected = true
      progress.done('Connected to the Tor network')
      progress.begin('Publishing the onion service')
    },
    publication: ({ uploads, uploaded }) => {
      if (uploads > 0) progress.update(`${uploaded} of ${uploads} directories have the descriptor`)
    },
  }
}
