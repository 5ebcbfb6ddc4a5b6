import { describe, expect, it } from 'vitest'
import { Sampler, type SampleSource } from '../../../src/app/sampler.ts'
import { newStats } from '../../../src/server/statistics/counters.ts'
import { openMemoryStore } from '../../../src/store/memory.ts'
import type { OnionState } from '../../../src/tor/index.ts'

function source(
  onion?: OnionState,
): SampleSource & { readonly relay: { readonly stats: ReturnType<typeof newStats> } } {
  return {
    relay: {
      stats: newStats(0, Buffer.alloc(32)),
      connections: () => 0,
      core: { engine: openMemoryStore({ quota: 1 }) },
    },
    onion: () => onion,
    connections: { rejected: { total: 0, perAddress: 0, perCircuit: 0 } },
    storePath: '/nowhere',
  }
}

describe('Sampler', () => {
  it('a sample has what happened since the one before, also when the counters begin again', async () => {
    const observed = source()
    const { stats } = observed.relay
    stats.msgSent = 100
    const sampler = new Sampler(observed)
    stats.msgSent = 107
    stats.pMsgFwds.errorsConnect = 2
    expect(await sampler.sample()).toMatchObject({ messagesSent: 7, proxyConnectErrors: 2, queues: 0, connections: 0 })
    stats.msgSent = 3
    expect(await sampler.sample()).toMatchObject({ messagesSent: 3, proxyConnectErrors: 0 })
  })

  it('an onion service has a latency only while it can be reached, and nothing before its first check', async () => {
    const at = new Date()
    const last = { at, host: 'a.onion', port: 5223, via: 'client', steps: [], ms: 812 } as const
    const fault = { step: 'connect', code: 'ONION_TIMEOUT', message: 'm', remedy: 'r' } as const
    const base = { phase: 'published', restarts: 0 } as const
    const reached = await new Sampler(source({ ...base, check: { last, failures: 0, nextAt: at } })).sample()
    expect(reached).toMatchObject({ onionReachable: 1, onionLatency: 812 })
    const failed = await new Sampler(
      source({ ...base, check: { last: { ...last, fault }, failures: 1, nextAt: at } }),
    ).sample()
    expect(failed.onionReachable).toBe(0)
    expect(failed).not.toHaveProperty('onionLatency')
    expect(await new Sampler(source(base)).sample()).not.toHaveProperty('onionReachable')
  })
})
