import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { certificateExpiry, healthReport, storeBytes, type HealthSource } from '../../../src/app/health-facts.ts'
import { resolvePaths, type Paths } from '../../../src/config/paths.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import { generateIni } from '../../../src/config/template.ts'
import type { OnionState } from '../../../src/tor/supervisor/metrics.ts'

const onionHost = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
let directory: string
let paths: Paths

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-health-'))
  paths = resolvePaths({ SMP_SERVER_CFG_PATH: directory, SMP_SERVER_LOG_PATH: directory })
  makeCertificate(paths.serverCertificate, 400)
})
afterEach(() => rm(directory, { recursive: true }))

function makeCertificate(path: string, days: number): void {
  const args = `req -x509 -newkey ed25519 -nodes -days ${days} -subj /CN=a -keyout ${path}.key -out ${path}`
  execFileSync('openssl', args.split(' '), { stdio: 'ignore' })
}

function source(host = 'relay.example', change: Partial<HealthSource> = {}): HealthSource {
  const ini = generateIni({ paths, storeLog: true, dailyStats: false, web: true, host })
  return {
    settings: readSettings(ini, 'smp-server.ini').settings,
    paths,
    relay: relay(() => Promise.resolve()),
    onion: () => undefined,
    backups: () => undefined,
    ...change,
  }
}

function relay(flushed: () => Promise<void>, ports = [5223]): HealthSource['relay'] {
  return { ports: () => ports, core: { engine: { flushed } } }
}

const at = new Date()
const checked: OnionState['check'] = {
  last: { at, host: onionHost, port: 5223, via: 'client', steps: [], ms: 800 },
  failures: 0,
  nextAt: at,
}
const unreachable: OnionState = {
  phase: 'published',
  restarts: 0,
  check: {
    ...checked,
    last: { ...checked.last, fault: { step: 'connect', code: 'ONION_TIMEOUT', message: 'No answer.', remedy: 'r' } },
  },
}

describe('healthReport', () => {
  it('a relay in order is ok in every part', async () => {
    const report = await healthReport(source('relay.example', { onion: () => ({ ...unreachable, check: checked }) }))
    expect(report).toMatchObject({
      status: 'ok',
      relay: { ok: true, ports: [5223] },
      store: { ok: true },
      disk: { ok: true },
      onion: { ok: true, phase: 'published', reachable: true },
      certificates: { relay: { ok: true, days: 399 }, web: null },
    })
  })

  it('an onion service that cannot be reached degrades a relay with a public name, and fails one without', async () => {
    const onion = (): OnionState => unreachable
    const both = await healthReport(source(`relay.example,${onionHost}`, { onion }))
    expect(both).toMatchObject({ status: 'degraded', onion: { ok: false, reachable: false, problem: 'No answer.' } })
    expect((await healthReport(source(onionHost, { onion }))).status).toBe('failing')
  })

  it('an onion service whose tor was lost, or whose descriptor another tor made, is not in order whatever the last check found', async () => {
    const lastError = { at, code: 'TOR_ENDED', message: 'tor exited.' }
    const lost: OnionState = { ...unreachable, check: checked, phase: 'waiting', lastError }
    const report = await healthReport(source('relay.example', { onion: () => lost }))
    expect(report).toMatchObject({ status: 'degraded', onion: { ok: false, problem: 'tor exited.' } })
    const contested: OnionState = { ...unreachable, check: checked, phase: 'publishing', contestedAt: at }
    const problem = expect.stringContaining('another tor has this key') as string
    const other = await healthReport(source('relay.example', { onion: () => contested }))
    expect(other).toMatchObject({ status: 'degraded', onion: { ok: false, problem } })
  })

  it('an onion service that was not checked yet is in order', async () => {
    const report = await healthReport(source(onionHost, { onion: () => ({ phase: 'starting', restarts: 0 }) }))
    expect(report).toMatchObject({ status: 'ok', onion: { ok: true, reachable: null } })
  })

  it('a store that cannot save fails the relay and says why', async () => {
    const full = relay(() => Promise.reject(new Error('no space left')))
    const report = await healthReport(source('relay.example', { relay: full }))
    expect(report).toMatchObject({
      status: 'failing',
      store: { ok: false, problem: 'The store cannot save: no space left.' },
    })
  })

  it('a disk that hangs fails the relay', async () => {
    const report = await healthReport(source('relay.example', { relay: relay(() => new Promise(() => undefined)) }))
    expect(report).toMatchObject({ status: 'failing', store: { ok: false, problem: 'The disk does not take data.' } })
  })

  it('workers that do not run degrade the relay, and are counted', async () => {
    const report = await healthReport(source('relay.example', { workers: { running: 1, wanted: 3 } }))
    const problem = '2 of 3 workers do not run. The log says why.'
    expect(report).toMatchObject({ status: 'degraded', workers: { ok: false, problem } })
    const all = await healthReport(source('relay.example', { workers: { running: 3, wanted: 3 } }))
    expect(all).toMatchObject({ status: 'ok', workers: { ok: true } })
  })

  it('a relay that listens nowhere is failing', async () => {
    const none = relay(() => Promise.resolve(), [])
    expect((await healthReport(source('relay.example', { relay: none }))).status).toBe('failing')
  })

  it('a web certificate that expires within a week degrades the relay and names the file', async () => {
    makeCertificate(paths.webCertificate, 5)
    const report = await healthReport(source())
    expect(report.status).toBe('degraded')
    expect(report.certificates.web).toMatchObject({ ok: false, days: 4 })
    expect(report.certificates.web?.problem).toMatch(/web\.crt expires in 4 days\. Renew it/)
  })

  it('a relay whose own certificate has expired is failing', async () => {
    const report = await healthReport(source(), new Date(Date.now() + 500 * 86_400_000))
    expect(report.status).toBe('failing')
    expect(report.certificates.relay?.problem).toMatch(/has expired\. Run `smp-server cert`/)
  })
})

describe('storeBytes, certificateExpiry', () => {
  it('what does not exist has no size and no expiry', async () => {
    expect(await storeBytes(join(directory, 'nothing'))).toBe(0)
    expect(await certificateExpiry(join(directory, 'nothing'))).toBeUndefined()
    expect(await storeBytes(directory)).toBeGreaterThan(0)
  })
})
