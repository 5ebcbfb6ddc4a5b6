import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import type { OnionState } from '../../../../src/tor/supervisor/metrics.ts'
import { registerOnionMetrics } from '../../../../src/tor/supervisor/metrics.ts'
import type { CheckResult } from '../../../../src/tor/check/check.ts'

const nextAt = new Date(0)
const good: CheckResult = { at: new Date(0), host: 'a.onion', port: 5223, via: 'client', steps: [], ms: 1250 }
const bad: CheckResult = { ...good, fault: { step: 'connect', code: 'ONION_TIMEOUT', message: 'm', remedy: 'r' } }

/** Lines without the comments. */
async function samples(state: OnionState | undefined): Promise<string[]> {
  const registry = new Registry()
  registerOnionMetrics(registry, () => state)
  const text = await registry.metrics()
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

it('a published and reachable service has every metric', async () => {
  const state: OnionState = {
    phase: 'published',
    bootstrap: { severity: 'NOTICE', progress: 100, tag: 'done', summary: 'Done' },
    uploadedAt: new Date(1_763_892_000_500),
    check: { last: good, failures: 0, nextAt },
    restarts: 2,
    publication: { uploads: 6, uploaded: 4, failed: 2, failure: 'UPLOAD_REJECTED' },
    serviceType: 'single-hop',
    figures: { introPoints: 3, rendezvous: 12, rejected: 4, powEffort: 20, powQueue: 7 },
  }
  expect(await samples(state)).toEqual([
    'onion_bootstrap_percent 100',
    'onion_descriptor_uploaded_timestamp 1763892000.5',
    'onion_descriptor_contested 0',
    'onion_reachable 1',
    'onion_check_seconds 1.25',
    'onion_single_hop 1',
    'onion_uploads_rejected 2',
    'onion_introduction_points 3',
    'onion_rendezvous_circuits 12',
    'onion_introductions_rejected 4',
    'onion_pow_effort 20',
    'onion_pow_queue 7',
    'onion_tor_restarts_total 2',
  ])
})

it('a service counts as unreachable until it was checked, and a metric that is not known yet is left out', async () => {
  const expected = [
    'onion_bootstrap_percent 0',
    'onion_descriptor_contested 0',
    'onion_reachable 0',
    'onion_tor_restarts_total 0',
  ]
  expect(await samples({ phase: 'starting', restarts: 0 })).toEqual(expected)
})

it('a service in a torrc has only the metrics of its checks', async () => {
  const lines = await samples({ phase: 'watched', check: { last: good, failures: 0, nextAt }, restarts: 0 })
  expect(lines).toEqual(['onion_reachable 1', 'onion_check_seconds 1.25'])
})

it('a service that another relay on the database has is none of this relay', async () => {
  expect(await samples({ phase: 'elsewhere', restarts: 0 })).toEqual([])
})

it('there are no metrics without an onion service', async () => {
  expect(await samples(undefined)).toEqual([])
})

it('a failed check has no duration', async () => {
  const lines = await samples({ phase: 'published', check: { last: bad, failures: 1, nextAt }, restarts: 0 })
  expect(lines).toContain('onion_reachable 0')
  expect(lines.some((line) => line.startsWith('onion_check_seconds'))).toBe(false)
})

it('metrics follow the state, and each has a help text', async () => {
  let state: OnionState | undefined = { phase: 'published', restarts: 5 }
  const registry = new Registry()
  registerOnionMetrics(registry, () => state)
  await registry.metrics()
  state = { phase: 'stopped', restarts: 1 }
  const text = await registry.metrics()
  expect(text).toContain('onion_reachable 0\n')
  expect(text).toContain('onion_tor_restarts_total 1\n')
  expect(text).toContain('# TYPE onion_tor_restarts_total counter\n')
  expect(text.match(/^# HELP \S+ \S+/gm)).toHaveLength(13)
  state = undefined
  expect(await registry.metrics()).not.toMatch(/^onion/m)
})
