import { join, resolve } from 'node:path'

/** Where everything is. The names are those of upstream, which scripts of operators use. */
export interface Paths {
  readonly configDir: string
  readonly stateDir: string

  readonly ini: string
  readonly caKey: string
  readonly caCertificate: string
  readonly caSerial: string
  readonly serverKey: string
  readonly serverRequest: string
  readonly serverCertificate: string
  readonly fingerprint: string
  readonly opensslCaConf: string
  readonly opensslServerConf: string
  readonly webCertificate: string
  readonly webKey: string
  /** The secret key of the onion service, which determines its address. */
  readonly onionKey: string
  /** That of the dashboard, and who may reach it. */
  readonly dashboardOnionKey: string
  readonly dashboardClients: string

  /** The embedded store. */
  readonly store: string
  /** Unix socket on which the running relay answers. */
  readonly controlSocket: string
  /** Files of upstream with memory storage: its log of queues, and what it saves when it stops. */
  readonly storeLog: string
  readonly messagesLog: string
  readonly notificationsLog: string
  readonly journal: string

  readonly stats: string
  readonly dailyStats: string
  readonly metrics: string
  /** Samples of the dashboard. */
  readonly dashboardSamples: string
  /** Written when a backup is completed; its time is that of the backup. */
  readonly backupMark: string
  /** What the relay knows of its automatic backups. */
  readonly backupList: string
  readonly site: string
  /** torrc and data of the relay's own Tor. */
  readonly tor: string
  /** State of the onion service, written by the running relay for `tor status`. */
  readonly torStatus: string
  /** Data of the Tor client for reachability checks. */
  readonly torClient: string
  /** Data of the Tor with which the relay reaches others. */
  readonly torSocks: string
  /** The ports with which the onion service was published last. */
  readonly onionPorts: string
}

/** The paths of this process: from SMP_SERVER_CFG_PATH and SMP_SERVER_LOG_PATH, or the default ones if unset or empty. */
export function resolvePaths(env: Readonly<Record<string, string | undefined>>): Paths {
  const directory = (path: string | undefined, usual: string): string => (path ? resolve(path) : usual)
  const configDir = directory(env.SMP_SERVER_CFG_PATH, '/etc/opt/simplex')
  const stateDir = directory(env.SMP_SERVER_LOG_PATH, '/var/opt/simplex')
  return {
    configDir,
    stateDir,
    ini: join(configDir, 'smp-server.ini'),
    caKey: join(configDir, 'ca.key'),
    caCertificate: join(configDir, 'ca.crt'),
    caSerial: join(configDir, 'ca.srl'),
    serverKey: join(configDir, 'server.key'),
    serverRequest: join(configDir, 'server.csr'),
    serverCertificate: join(configDir, 'server.crt'),
    fingerprint: join(configDir, 'fingerprint'),
    opensslCaConf: join(configDir, 'openssl_ca.conf'),
    opensslServerConf: join(configDir, 'openssl_server.conf'),
    webCertificate: join(configDir, 'web.crt'),
    webKey: join(configDir, 'web.key'),
    onionKey: join(configDir, 'onion.key'),
    dashboardOnionKey: join(configDir, 'dashboard-onion.key'),
    dashboardClients: join(configDir, 'dashboard-clients'),
    store: join(stateDir, 'smp-server-store'),
    controlSocket: join(stateDir, 'control.sock'),
    storeLog: join(stateDir, 'smp-server-store.log'),
    messagesLog: join(stateDir, 'smp-server-messages.log'),
    notificationsLog: join(stateDir, 'smp-server-ntfs.log'),
    journal: join(stateDir, 'messages'),
    stats: join(stateDir, 'smp-server-stats.log'),
    dailyStats: join(stateDir, 'smp-server-stats.daily.log'),
    metrics: join(stateDir, 'smp-server-metrics.txt'),
    dashboardSamples: join(stateDir, 'dashboard-samples'),
    backupMark: join(stateDir, 'last-backup'),
    backupList: join(stateDir, 'backups.json'),
    site: join(stateDir, 'www'),
    tor: join(stateDir, 'tor'),
    torStatus: join(stateDir, 'tor', 'status.json'),
    torClient: join(stateDir, 'tor', 'client'),
    torSocks: join(stateDir, 'tor-socks'),
    onionPorts: join(stateDir, 'onion-ports'),
  }
}
