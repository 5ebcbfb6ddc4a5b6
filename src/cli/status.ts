import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { addressParts, addressText } from '../app/address.ts'
import { certificateHealth, diskHealth, MIN_RELAY_DAYS, storeBytes } from '../app/health-facts.ts'
import { readFingerprint } from '../app/identity.ts'
import { lastBackup } from '../app/last-backup.ts'
import { loadSettings } from '../app/load-settings.ts'
import { askStatus, type RelayStatus } from '../app/relay-status.ts'
import type { Paths } from '../config/paths.ts'
import { Refusal } from '../errors/refusal.ts'
import { bytesText } from '../system/bytes-text.ts'
import { durationText } from '../web/duration-text.ts'
import type { Context } from './context.ts'
import { addOptions } from './options.ts'
import { print } from './output.ts'
import { paint } from './terminal.ts'

interface StatusOptions {
  readonly json?: true
  readonly watch?: true
}

/** What a stopped relay leaves to be said: from its files. */
interface Stopped {
  readonly address: string
  readonly storeBytes: number
  readonly freeBytes: number | null
  readonly certificateDays: number | null
  readonly lastBackup: string | null
}

type Seen =
  { readonly running: true; readonly relay: RelayStatus } | { readonly running: false; readonly files: Stopped }

const WATCH_EVERY_MS = 2000

export function addStatus(program: Command, { paths }: Context): void {
  const command = program
    .command('status')
    .description('Show how the relay is, on one screen; exit status 1 unless it runs and nothing is wrong')
    .action((options: StatusOptions) => status(options, paths))
  addOptions(command, [
    new Option('--json', 'Print it as JSON'),
    new Option('--watch', 'Show it anew every two seconds, until interrupted'),
  ])
}

async function status({ json, watch }: StatusOptions, paths: Paths): Promise<void> {
  const show = (seen: Seen): string[] => (json ? [JSON.stringify(jsonOf(seen))] : lines(seen, new Date()))
  let seen = await look(paths)
  if (!watch) print(...show(seen))
  else {
    const abort = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort())
    for (;;) {
      const text = show(seen).join('\n')
      print(process.stdout.isTTY && !json ? `\x1b[H\x1b[2J${text}` : text)
      if (await sleep(WATCH_EVERY_MS, false, { signal: abort.signal }).catch(() => true)) break
      seen = await look(paths)
    }
  }
  // What is wrong is printed already.
  if (!isWell(seen)) throw new Refusal()
}

async function look(paths: Paths): Promise<Seen> {
  const relay = await askStatus(paths)
  if (relay !== undefined) return { running: true, relay: { ...relay, address: withoutPassword(relay.address) } }
  const { settings } = await loadSettings(paths)
  const parts = addressParts(settings, await readFingerprint(paths))
  const [bytes, disk, certificate, backup] = await Promise.all([
    storeBytes(paths.store),
    diskHealth(paths.stateDir),
    certificateHealth(paths.serverCertificate, MIN_RELAY_DAYS, '', new Date()),
    lastBackup(paths),
  ])
  const files = {
    address: withoutPassword(addressText(parts)),
    storeBytes: bytes,
    freeBytes: disk?.freeBytes ?? null,
    certificateDays: certificate?.days ?? null,
    lastBackup: backup?.toISOString() ?? null,
  }
  return { running: false, files }
}

/** `smp://FINGERPRINT:PASSWORD@HOSTS` without what is secret. */
function withoutPassword(address: string): string {
  return address.replace(/^(smp:\/\/[^:@]+):[^@]+@/, '$1:…@')
}

function jsonOf(seen: Seen): object {
  return seen.running ? { running: true, ...seen.relay } : { running: false, ...seen.files }
}

function isWell(seen: Seen): boolean {
  return seen.running && seen.relay.health.status === 'ok'
}

function lines(seen: Seen, now: Date): string[] {
  if (!seen.running) {
    const { address, certificateDays, lastBackup: backup, ...disk } = seen.files
    return [
      `${paint('fault', 'Stopped')}: no relay runs here. Start it: \`systemctl start smp-server\`, or \`smp-server start\``,
      row('Address', address),
      row('Store', storeText(disk)),
      row('Certificate', daysText(certificateDays)),
      row('Last backup', backup === null ? 'none known' : ageText(backup, now)),
    ]
  }
  const { relay } = seen
  const { health, ports, onion, backup } = relay
  const heads = {
    ok: paint('success', 'Healthy'),
    degraded: paint('warning', 'Degraded'),
    failing: paint('fault', 'Failing'),
  }
  const commit = relay.commit === '' ? '' : ` (${relay.commit.slice(0, 7)})`
  const uptime = durationText(Math.floor((now.getTime() - Date.parse(relay.startedAt)) / 1000))
  return [
    `${heads[health.status]}: smp-server ${relay.version}${commit}, process ${relay.pid}, up ${uptime}`,
    ...health.problems.map((problem) => `  ${paint('warning', '!', process.stdout)} ${problem}`),
    row('Address', relay.address),
    row('Ports', portsText(ports)),
    row('Clients', `${relay.connections} connected`),
    ...(relay.workers === null ? [] : [row('Workers', `${relay.workers.running} of ${relay.workers.wanted} run`)]),
    row('Queues', `${relay.queues}, ${relay.messages} messages waiting`),
    row('Messages', `${relay.sent} sent, ${relay.received} received; ${rateText(relay.sentPerMinute)}`),
    row('Store', storeText({ storeBytes: relay.storeBytes, freeBytes: health.freeBytes })),
    row('Certificate', daysText(health.certificateDays)),
    row('Onion', onion === null ? 'none: `smp-server tor setup` creates one' : onionText(onion, health.onionReachable)),
    row('Last backup', backupText(backup, now)),
  ]
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(12)} ${text}`
}

function portsText({ smp, webSockets, control, metrics }: RelayStatus['ports']): string {
  return [
    smp.join(', '),
    ...(webSockets.length > 0 ? [`WebSocket ${webSockets.join(', ')}`] : []),
    ...(control === null ? [] : [`control ${control}`]),
    ...(metrics === null ? [] : [`metrics ${metrics}`]),
  ].join('; ')
}

const BARS = '▁▂▃▄▅▆▇█'

/** The last hour as a sparkline, a character for two minutes. */
function rateText(perMinute: readonly number[]): string {
  if (perMinute.length === 0) return 'the last hour shows after a minute'
  const pairs = perMinute.flatMap((count, at) => (at % 2 === 0 ? [count + (perMinute[at + 1] ?? 0)] : []))
  const most = Math.max(...pairs, 1)
  const bars = pairs.map((count) => BARS[Math.ceil((count / most) * (BARS.length - 1))] ?? '')
  return `${perMinute.reduce((sum, count) => sum + count, 0)} in the last hour ${bars.join('')}`
}

function storeText({ storeBytes: bytes, freeBytes }: { storeBytes: number; freeBytes: number | null }): string {
  return `${bytesText(bytes)} on disk${freeBytes === null ? '' : `, ${bytesText(freeBytes)} free`}`
}

/** A certificate that init makes is valid for longer than anyone counts. */
const FOREVER_DAYS = 36_500

function daysText(days: number | null): string {
  if (days === null) return 'unreadable'
  if (days > FOREVER_DAYS) return 'does not expire'
  return days < 0 ? `expired ${-days} days ago: \`smp-server cert\`` : `${days} days left`
}

function onionText({ phase, hostname }: NonNullable<RelayStatus['onion']>, reachable: boolean | null): string {
  if (phase === 'elsewhere') return `${hostname ?? ''} is at another relay on the same database`.trim()
  const seen = {
    true: 'reachable from outside',
    false: 'NOT reachable from outside',
    null: 'not checked from outside yet',
  }
  return `${hostname ?? ''} ${phase}, ${seen[`${reachable}`]}`.trim()
}

function backupText({ lastAt, automatic }: RelayStatus['backup'], now: Date): string {
  const last = lastAt === null ? 'none known' : ageText(lastAt, now)
  if (automatic === null) return `${last}; automatic backups are off`
  if (automatic.isRunning) return `${last}; one is being made`
  return automatic.nextAt === null ? last : `${last}; next at ${automatic.nextAt}`
}

function ageText(time: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(time)) / 1000))
  return `${durationText(seconds - (seconds % 60))} ago`
}
