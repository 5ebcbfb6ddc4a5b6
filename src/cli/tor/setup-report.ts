import { setTimeout as sleep } from 'node:timers/promises'
import type { Paths } from '../../config/paths.ts'
import type { Settings } from '../../config/settings.ts'
import { runCommand } from '../../system/command.ts'
import { createLogger } from '../../config/log.ts'
import { addressParts, addressPort, addressText } from '../../app/address.ts'
import { printQrCode } from '../qr-code.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { askStatus } from '../../app/relay-status.ts'
import { print } from '../output.ts'
import { clientOfCheck, supervisorRoute } from '../../app/check-route.ts'
import { externalTarget } from '../../app/onion-settings.ts'
import {
  type CheckResult,
  type CheckRoute,
  checkReachability,
  type CheckTarget,
  type Finding,
  isLocal,
  processIsMember,
  type SetupRequest,
  type SetupResult,
  torPlace,
} from '../../tor/index.ts'

/** What was found on this machine; the reasons to stop come as an error. */
export function findingLines(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ level }) => level !== 'stop')
    .map(({ text, remedy }) => (remedy === undefined ? text : `${text} ${remedy}`))
}

const SINGLE_HOP =
  "Single-hop mode is faster but reveals this server's location to anyone who knows the address. Your users keep Tor's full anonymity."
const ANONYMOUS =
  'An anonymous service hides where this server runs, as long as nothing else reveals it, and is slower. It must not have a public host, and its key must never be used in single-hop mode.'
const THREE_HOP =
  'An ordinary onion service is slower, and works with bridges. The public host in the address still reveals where this server runs.'
const TORRC =
  'The service and its key stay with tor: a break-in into the relay does not expose the key, but the relay cannot repair the service.'

const AWAY =
  'The relay sends its onion key to that tor, and nothing on the way is encrypted: keep its control port in a network that only you can read.'

/** What the choice means, in two sentences each. */
export function meaningLines({ service, mode, ini, external }: SetupRequest): string[] {
  const meaning = service.type === 'single-hop' ? SINGLE_HOP : ini.isHidden ? ANONYMOUS : THREE_HOP
  const isAway = external !== undefined && !isLocal(external.access.control)
  return [meaning, ...(mode === 'torrc' ? [TORRC] : []), ...(isAway ? [AWAY] : [])]
}

/** Shows the address, and checks it from outside when the relay runs and the service is published. */
export async function reportSetup(
  result: SetupResult,
  { service, mode, instance }: SetupRequest,
  paths: Paths,
): Promise<void> {
  const { settings } = await loadSettings(paths)
  const fingerprint = await readFingerprint(paths)
  const address = addressText(addressParts(settings, fingerprint))
  const port = addressPort(settings.transport.ports) ?? 5223
  const behind = externalTarget(settings, port)
  const target = { port, behind, keyHash: Buffer.from(fingerprint, 'base64url') }
  const isUp = await answersHere(settings, target)
  if (isUp && result.publication.published) {
    print('Checking from outside, through Tor …')
    const route = mode === 'external' ? supervisorRoute(settings, paths, createLogger({ level: 'error' })) : undefined
    const client = clientOfCheck(paths, settings.tor.torrcExtra, createLogger({ level: 'error' }))
    print(checkLine(await checkSoon({ ...target, host: result.hostname }, route ?? { type: 'client', client })))
  }
  print(
    ...(result.wasDone ? ['Everything was already set up; nothing was changed.'] : []),
    ...(result.onionOnly && service.type === 'single-hop'
      ? [`Only Tor users can reach this relay; add its public name to host in ${paths.ini}.`]
      : []),
    `Server address: ${address}`,
  )
  await printQrCode(address, paths)
  print(
    ...(isUp ? [] : ['Next: start the relay with `smp-server start` (or `systemctl start smp-server`).']),
    ...(isUp && mode === 'system' ? await restartLine(result, instance, paths) : []),
  )
}

/** The relay follows its INI file by itself, but a running process gets no new groups. */
async function restartLine({ joined }: SetupResult, instance: string, paths: Paths): Promise<string[]> {
  const place = torPlace(instance)
  const pid = (await askStatus(paths).catch(() => undefined))?.pid
  const isMember = pid === undefined ? undefined : await processIsMember(place, pid, runCommand)
  if (joined === undefined && isMember !== false) return []
  return [`Restart the relay, so that it gets the new group ${place.user}: systemctl restart smp-server`]
}

/** A running relay that adds the service to its own tor needs some seconds for that. */
async function checkSoon(target: CheckTarget, route: CheckRoute): Promise<CheckResult> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await checkReachability(target, route)
    if (!result.fault || attempt === 3) return result
    await sleep(5000)
  }
}

/** Of a relay on this machine. Another program at its port may never answer. */
const HERE_TIMEOUT_MS = 5000

/** Whether this relay, and no other program, listens on this machine. */
async function answersHere({ transport }: Settings, target: Omit<CheckTarget, 'host'>): Promise<boolean> {
  const result = await checkReachability(
    { ...target, host: transport.listenHost ?? '127.0.0.1' },
    { type: 'direct' },
    { connectTimeoutMs: HERE_TIMEOUT_MS },
  )
  return result.fault === undefined
}

function checkLine({ fault, ms }: CheckResult): string {
  return fault ? `Not reachable yet: ${fault.message} ${fault.remedy}` : `Reachable (${(ms / 1000).toFixed(1)} s).`
}
