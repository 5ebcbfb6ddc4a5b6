import { Counter, Gauge, type Registry } from 'prom-client'
import type { SupervisorState } from './state.ts'

/** What the metrics are read from. */
export type OnionState = Pick<SupervisorState, 'bootstrap' | 'phase' | 'uploadedAt' | 'check' | 'restarts'>

interface Figure {
  readonly name: string
  readonly help: string
  /** `undefined`: not known, and left out. */
  readonly value: (state: OnionState) => number | undefined
}

const gauges: readonly Figure[] = [
  {
    name: 'onion_bootstrap_percent',
    help: 'Bootstrap progress of tor.',
    value: ({ phase, bootstrap }) => (phase === 'watched' ? undefined : (bootstrap?.progress ?? 0)),
  },
  {
    name: 'onion_descriptor_uploaded_timestamp',
    help: 'When a directory last accepted the descriptor, in Unix seconds.',
    value: ({ uploadedAt }) => uploadedAt && uploadedAt.getTime() / 1000,
  },
  {
    name: 'onion_reachable',
    help: 'Whether the last check from outside reached the relay; 0 until there was one.',
    value: ({ phase, check }) => Number(phase !== 'stopped' && check !== undefined && !check.last.fault),
  },
  {
    name: 'onion_check_seconds',
    help: 'Duration of the last successful check, without the start of a tor client.',
    value: ({ check }) => (check && !check.last.fault ? check.last.ms / 1000 : undefined),
  },
]

const restarts: Figure = {
  name: 'onion_tor_restarts_total',
  help: 'How often tor ended, or could not be reached, since the relay started.',
  value: (state) => (state.phase === 'watched' ? undefined : state.restarts),
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
