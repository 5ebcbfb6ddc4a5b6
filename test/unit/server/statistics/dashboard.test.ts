import { readFileSync } from 'node:fs'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { registerOnionMetrics } from '../../../../src/tor/supervisor/metrics.ts'

const docs = new URL('../../../../docs/', import.meta.url)
const dashboard = readFileSync(new URL('grafana-dashboard.json', docs), 'utf8')
const sample = readFileSync(new URL('../../../samples/upstream/smp-server-metrics.txt', import.meta.url), 'utf8')

const namesIn = (text: string): Set<string> => new Set(text.match(/\b(?:simplex_smp|onion|process|nodejs)_\w+/g) ?? [])

it('the dashboard and the guide name metrics that there are', async () => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registerOnionMetrics(registry, () => undefined)
  const known = namesIn(`${sample}\n${await registry.metrics()}`)
  const used = namesIn(dashboard)
  expect(used.size).toBeGreaterThan(20)
  expect([...used].filter((name) => !known.has(name))).toEqual([])
  const guide = namesIn(readFileSync(new URL('monitoring.md', docs), 'utf8'))
  expect([...guide].filter((name) => !known.has(name))).toEqual([])
})
