import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/config/log.ts'
import type { HttpListener } from '../../../src/transport/http-listener.ts'
import type { HealthReport } from '../../../src/web/health-report.ts'
import { serveMetrics } from '../../../src/web/metrics-server.ts'

let server: HttpListener | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

const report: HealthReport = {
  status: 'ok',
  relay: { ok: true, ports: [5223] },
  store: { ok: true },
  disk: null,
  onion: null,
  workers: null,
  backup: null,
  certificates: { relay: { ok: true, days: 999 }, web: null },
}

const serve = async (
  metrics: () => Promise<string> = () => Promise.resolve('a_metric 1\n'),
  status: HealthReport['status'] = 'ok',
): Promise<string> => {
  const health = (): Promise<HealthReport> => Promise.resolve({ ...report, status })
  server = await serveMetrics({ port: 0, metrics, health, log: silentLogger })
  return `http://127.0.0.1:${server.port}`
}

describe('metrics-server', () => {
  it('the metrics server answers /metrics with the current metrics in Prometheus format', async () => {
    let asked = 0
    const url = await serve(() => Promise.resolve(`asked ${++asked}\n`))
    const first = await fetch(`${url}/metrics`)
    expect(first.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await first.text()).toBe('asked 1\n')
    expect(await (await fetch(`${url}/metrics?x=y`)).text()).toBe('asked 2\n')
  })

  it.each([
    ['ok', 200],
    ['degraded', 200],
    ['failing', 503],
  ] as const)('the metrics server answers /health of a relay that is %s with %i and JSON', async (status, expected) => {
    const url = await serve(undefined, status)
    const response = await fetch(`${url}/health`)
    expect(response.status).toBe(expected)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual({ ...report, status })
    const head = await fetch(`${url}/health`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([expected, ''])
  })

  it('the metrics server answers nothing else and accepts only GET and HEAD', async () => {
    const url = await serve()
    expect((await fetch(`${url}/`)).status).toBe(404)
    expect((await fetch(`${url}/metrics/`)).status).toBe(404)
    const post = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('the metrics server answers 500 when the metrics fail and keeps serving', async () => {
    const url = await serve(() => Promise.reject(new Error('broken')))
    const response = await fetch(`${url}/metrics`)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('broken')
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })

  it('the metrics server listens on the loopback address only', async (context) => {
    const url = await serve()
    const { port } = new URL(url)
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
    const [other] = others
    context.skip(other === undefined, 'this machine has no address but the loopback one')
    await expect(fetch(`http://${other?.address ?? ''}:${port}/health`)).rejects.toThrow()
  })

  it('the metrics server names the process that holds its port', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const options = {
      port,
      metrics: () => Promise.resolve(''),
      health: () => Promise.resolve(report),
      log: silentLogger,
    }
    await expect(serveMetrics(options)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    await new Promise((resolve) => taken.close(resolve))
  })
})
