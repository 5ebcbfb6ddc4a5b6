import { expect, it } from 'vitest'
import { bannerLines, type BannerFacts } from '../../../src/cli/banner.ts'
import { setIniValue } from '../../../src/config/ini.ts'
import { resolvePaths } from '../../../src/config/paths.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import { generateIni } from '../../../src/config/template.ts'

const paths = resolvePaths({})
const generated = generateIni({ paths, storeLog: true, dailyStats: false, web: true })

function banner(changes: readonly [string, string, string][], facts: Partial<BannerFacts> = {}): string[] {
  const ini = changes.reduce((text, [section, key, value]) => setIniValue(text, section, key, value), generated)
  const { settings } = readSettings(ini, 'smp-server.ini')
  const { ports, webSocketPorts } = settings.transport
  return bannerLines({ settings, paths, ports, webSocketPorts, site: 'off', ...facts })
}

it('the banner shows the settings of a generated file, in the known order', () => {
  expect(banner([])).toEqual([
    `Store log: ${paths.store}`,
    'Serving SMP protocol on port 5223 (TLS)...',
    'Serving SMP protocol on port 443 (TLS)...',
    'expiring messages after 21 days',
    'expiring clients inactive for 21600 seconds every 3600 seconds',
    'creating new queues allowed',
  ])
})

it('the banner lists the ports that are really open', () => {
  expect(banner([], { ports: [5223] })).not.toContain('Serving SMP protocol on port 443 (TLS)...')
})

it('the banner lists WebSocket ports after those of SMP', () => {
  expect(banner([['TRANSPORT', 'websockets', '8080,8081']]).slice(1, 5)).toEqual([
    'Serving SMP protocol on port 5223 (TLS)...',
    'Serving SMP protocol on port 443 (TLS)...',
    'Serving SMP protocol on port 8080 (WebSockets)...',
    'Serving SMP protocol on port 8081 (WebSockets)...',
  ])
})

it('the banner says whether the web site is served', () => {
  expect(banner([], { site: 'served' }).slice(2, 4)).toEqual([
    'Serving SMP protocol on port 443 (TLS)...',
    'Serving static site on port 443 (TLS)...',
  ])
  expect(banner([], { site: 'no certificate' })).toContain(
    `Not serving the web site over HTTPS: waiting for ${paths.webCertificate} and ${paths.webKey}.`,
  )
})

it('the banner warns when 443 is not among the ports', () => {
  const lines = banner([['TRANSPORT', 'port', '5223']])
  expect(lines.slice(2, 6)).toEqual([
    '',
    'WARNING: the clients will use port 443 by default soon.',
    'Set `port` in smp-server.ini section [TRANSPORT] to `5223,443`',
    '',
  ])
})

it.each([
  ['AUTH', 'create_password', 'x', 'creating new queues requires password'],
  ['AUTH', 'new_queues', 'off', 'creating new queues NOT allowed'],
  ['STORE_LOG', 'enable', 'off', 'Store log disabled.'],
  ['INACTIVE_CLIENTS', 'disconnect', 'off', 'not expiring inactive clients'],
] as const)('[%s] %s = %s: %s', (section, key, value, line) => {
  expect(banner([[section, key, value]])).toContain(line)
})

it('the banner names the files of the statistics if they are written', () => {
  const lines = banner([
    ['STORE_LOG', 'log_stats', 'on'],
    ['STORE_LOG', 'prometheus_interval', '60'],
  ])
  expect(lines.slice(-3)).toEqual([
    'creating new queues allowed',
    `server stats log enabled: ${paths.dailyStats}`,
    `Prometheus metrics saved every 60 seconds to ${paths.metrics}`,
  ])
})
