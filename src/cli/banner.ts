import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'

/** Whether the web site is served over HTTPS; it may wait for its certificate. */
export type Site = 'off' | 'no certificate' | 'served'

export interface BannerFacts {
  readonly settings: Settings
  readonly paths: Paths
  /** The ports that could be opened. */
  readonly ports: readonly number[]
  readonly webSocketPorts: readonly number[]
  readonly site: Site
}

/** What `start` prints below the identity, in the order that scripts of operators know. */
export function bannerLines({ settings, paths, ports, webSocketPorts, site }: BannerFacts): string[] {
  const { store, transport, inactiveClients, auth, web } = settings
  const serving = ports.flatMap((port) => [
    `Serving SMP protocol on port ${port} (TLS)...`,
    ...(site === 'served' && port === web.https?.port ? [`Serving static site on port ${port} (TLS)...`] : []),
  ])
  return [
    store.database !== undefined
      ? `Store: PostgreSQL, schema ${store.database.schema}`
      : store.persistent
        ? `Store log: ${paths.store}`
        : 'Store log disabled.',
    ...serving,
    ...webSocketPorts.map((port) => `Serving SMP protocol on port ${port} (WebSockets)...`),
    ...(site === 'no certificate' && web.https
      ? [`Not serving the web site over HTTPS: waiting for ${web.https.certificate} and ${web.https.key}.`]
      : []),
    ...(transport.ports.includes(443) ? [] : port443Warning),
    `expiring messages after ${duration(store.messageTtl)}`,
    inactiveClients
      ? `expiring clients inactive for ${inactiveClients.ttl} seconds every ${inactiveClients.checkInterval} seconds`
      : 'not expiring inactive clients',
    `creating new queues ${!auth.newQueues ? 'NOT allowed' : auth.createPassword !== undefined ? 'requires password' : 'allowed'}`,
    ...(store.logStats ? [`server stats log enabled: ${paths.dailyStats}`] : []),
    ...(store.prometheusInterval === undefined
      ? []
      : [`Prometheus metrics saved every ${store.prometheusInterval} seconds to ${paths.metrics}`]),
  ]
}

const port443Warning = [
  '',
  'WARNING: the clients will use port 443 by default soon.',
  'Set `port` in smp-server.ini section [TRANSPORT] to `5223,443`',
  '',
]

const units = [
  ['days', 86_400],
  ['hours', 3600],
  ['minutes', 60],
] as const

/** In the largest unit that divides it; always plural. */
function duration(seconds: number): string {
  const [name, size] = units.find(([, unit]) => seconds % unit === 0) ?? ['seconds', 1]
  return `${seconds / size} ${name}`
}
