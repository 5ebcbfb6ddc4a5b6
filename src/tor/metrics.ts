import { Counter, Gauge, Registry } from 'prom-client'
import type { KeeperState } from './keeper.ts'

/** What the metrics are read from. */
export type OnionState = Pick<KeeperState, 'bootstrap' | 'phase' | 'uploadedAt' | 'proof' | 'restarts'>

/**
 * Metrics of the onion service, read from the state whenever somebody asks for them; what is not known is left out.
 */
export function onionMetrics(read: () => OnionState): Registry {
  const registry = new Registry()
  const gauge = (name: string, help: string, value: (state: OnionState) => number | undefined): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const current = value(read())
        if (current === undefined) this.remove()
        else this.set(current)
      },
    })
  }
  gauge('onion_bootstrap_percent', 'How far tor is with its connection to the Tor network.', ({ bootstrap }) => {
    return bootstrap?.progress ?? 0
  })
  gauge(
    'onion_descriptor_uploaded_timestamp',
    'When a directory last took the descriptor, in Unix seconds.',
    ({ uploadedAt }) => uploadedAt && uploadedAt.getTime() / 1000,
  )
  gauge('onion_reachable', 'Whether the last proof from outside reached the relay.', ({ phase, proof }) => {
    if (phase === 'stopped') return 0
    return proof && (proof.last.fault ? 0 : 1)
  })
  gauge(
    'onion_check_seconds',
    'How long the last successful proof took, without the start of a tor client.',
    (state) => {
      const { proof } = state
      return proof?.last.fault ? undefined : proof && proof.last.ms / 1000
    },
  )
  new Counter({
    name: 'onion_tor_restarts_total',
    help: 'How often a tor was lost, or could not be had, since the relay started.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(read().restarts)
    },
  })
  return registry
}
