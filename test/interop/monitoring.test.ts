import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../project-root.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

// What operators monitor the relay with: Prometheus' own promtool reads the metrics of the program and the shipped rules.

const run = promisify(execFile)

let relay: Installation
let url: string
/** In a directory that others can read, as that of the collector. */
const textfile = (): string => join(relay.root, 'smp-server.prom')
beforeAll(async () => {
  await buildProgram()
  relay = new Installation()
  relay.run(['init', '-y', '-n', 'localhost', '--no-password'])
  const [port, metricsPort] = [await freePort(), await freePort()]
  relay.set('TRANSPORT', 'port', String(port))
  relay.set('TRANSPORT', 'listen_host', '127.0.0.1')
  relay.set('STORE_LOG', 'metrics_port', String(metricsPort))
  relay.set('WEB', 'https', '')
  relay.set('STORE_LOG', 'metrics_textfile', textfile())
  relay.set('STORE_LOG', 'prometheus_interval', '1')
  url = `http://127.0.0.1:${metricsPort}`
  await relay.start(['start']).shows(/Metrics on/)
})
afterAll(() => relay.remove())

describe('monitoring', () => {
  it('promtool finds the alert rules valid, and each fires on what it is for', async () => {
    const { stdout } = await run('promtool', ['test', 'rules', join(projectRoot, 'test/monitoring/alerts.yml')])
    expect(stdout).toContain('SUCCESS')
    await run('promtool', ['check', 'rules', join(projectRoot, 'docs/prometheus-alerts.yml')])
  })

  it('/health answers JSON for a relay in order', async () => {
    const response = await fetch(`${url}/health`)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ status: 'ok', store: { ok: true }, disk: { ok: true }, onion: null })
  })

  it('the textfile has no times, is readable for everybody, and promtool finds nothing wrong with it', async () => {
    await expect.poll(() => existsSync(textfile())).toBe(true)
    expect(statSync(textfile()).mode & 0o777).toBe(0o644)
    const text = readFileSync(textfile(), 'utf8')
    expect(text).toMatch(/^simplex_smp_queues_created \d+$/m)
    expect(text).toMatch(/^smp_disk_free_bytes \d+$/m)
    expect(text).not.toMatch(/^(process|nodejs)_/m)
    for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
      expect(line).toMatch(/^\w+(?:\{.*\})? [-+\d.eInfNa]+$/)
    }
    const faults = await new Promise<string>((resolve, reject) => {
      const child = execFile('promtool', ['check', 'metrics'], (_, stdout, stderr) => resolve(stdout + stderr))
      child.on('error', reject)
      child.stdin?.end(text)
    })
    // Conventions that upstream's names break are not faults of the format.
    expect(faults).not.toMatch(/error while linting|text format parsing/)
    const before = statSync(textfile()).mtimeMs
    await expect.poll(() => statSync(textfile()).mtimeMs).toBeGreaterThan(before)
  })

  it('every metric that an alert needs is there', async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    for (const name of [
      'smp_healthy{part="all"} 1',
      'smp_certificate_expires_timestamp_seconds{certificate="relay"}',
      'smp_disk_free_bytes',
      'smp_disk_size_bytes',
      'smp_store_size_bytes',
      'smp_connections_rejected_total{limit="total"} 0',
      'simplex_smp_messages_sent_errors{type="quota"}',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(metrics).toContain(name)
    }
    expect(metrics).not.toMatch(/^smp_last_backup_timestamp_seconds /m)
  })
})
