import { Counter, Gauge, type Registry } from 'prom-client'
import type { SupervisorPhase, SupervisorState } from './state.ts'

/** What the metrics are read from. */
export type OnionState = Pick<
  SupervisorState,
  | 'bootstrap'
  | 'phase'
  | 'uploadedAt'
  | 'contestedAt'
  | 'check'
  | 'restarts'
  | 'publication'
  | 'serviceType'
  | 'figures'
  | 'lastError'
>

interface Figure {
  readonly name: string
  readonly help: string
  /** `undefined`: not known, and left out. */
  readonly value: (state: OnionState) => number | undefined
}

/** The relay has no tor of the service. */
const isNotHere = (phase: SupervisorPhase): boolean => phase === 'watched' || phase === 'elsewhere'

const gauges: readonly Figure[] = [
  {
    name: 'onion_bootstrap_percent',
    help: 'Bootstrap progress of tor.',
    value: ({ phase, bootstrap }) => (isNotHere(phase) ? undefined : (bootstrap?.progress ?? 0)),
  },
  {
    name: 'onion_descriptor_uploaded_timestamp',
    help: 'When a directory last accepted the descriptor, in Unix seconds.',
    value: ({ uploadedAt }) => uploadedAt && uploadedAt.getTime() / 1000,
  },
  {
    name: 'onion_descriptor_contested',
    help: 'Whether the directories hold a descriptor that another tor made with the same key.',
    value: ({ phase, contestedAt }) => (isNotHere(phase) ? undefined : Number(contestedAt !== undefined)),
  },
  {
    name: 'onion_reachable',
    help: 'Whether the last check from outside reached the relay; 0 until there was one.',
    value: ({ phase, check }) =>
      phase === 'elsewhere' ? undefined : Number(phase !== 'stopped' && check !== undefined && !check.last.fault),
  },
  {
    name: 'onion_check_seconds',
    help: 'Duration of the last successful check, without the start of a tor client.',
    value: ({ check }) => (check && !check.last.fault ? check.last.ms / 1000 : undefined),
  },
  {
    name: 'onion_single_hop',
    help: 'Whether the service is a single-hop one; 0: an ordinary (three-hop) one.',
    value: ({ serviceType }) => serviceType && Number(serviceType === 'single-hop'),
  },
  {
    name: 'onion_uploads_rejected',
    help: 'Directories that did not take the present descriptor.',
    value: ({ publication }) => publication && (publication.failed ?? 0),
  },
  {
    name: 'onion_introduction_points',
    help: 'Introduction points that are connected.',
    value: ({ figures }) => figures?.introPoints,
  },
  {
    name: 'onion_rendezvous_circuits',
    help: 'Open circuits to clients.',
    value: ({ figures }) => figures?.rendezvous,
  },
  {
    name: 'onion_introductions_rejected',
    help: 'Replayed or malformed introductions since tor started.',
    value: ({ figures }) => figures?.rejected,
  },
  {
    name: 'onion_pow_effort',
    help: 'Effort that clients are asked for; 0 without a flood.',
    value: ({ figures }) => figures?.powEffort,
  },
  {
    name: 'onion_pow_queue',
    help: 'Requests that wait in the queue by effort.',
    value: ({ figures }) => figures?.powQueue,
  },
]

const restarts: Figure = {
  name: 'onion_tor_restarts_total',
  help: 'How often tor ended, or could not be reached, since the relay started.',
  value: (state) => (isNotHere(state.phase) ? undefined : state.restarts),
}

/**
 * Adds the metrics of the onion service to a registry. They are read from the state whenever somebody asks for them;
 * what is not known is left out.
 *
 * @param read the present state; `undefined` while there is no onion service, which has no figures at all
 */
export function registerOnionMetrics(registry: Registry, read: () => OnionState | undefined): void {
  const registers = [registry]
  const current = ({ value }: Figure): number | undefined => {
    const state = read()
    return state && value(state)
  }
  for (const figure of gauges) {
    const { name, help } = figure
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = current(figure)
        if (value === undefined) this.remove()
        else this.set(value)
      },
    })
  }
  const { name, help } = restarts
  new Counter({
    name,
    help,
    registers,
    collect() {
      const value = current(restarts)
      this.reset()
      if (value === undefined) this.remove()
      else this.inc(value)
    },
  })
}
