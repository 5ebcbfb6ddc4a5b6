import { setTimeout as sleep } from 'node:timers/promises'
import type { Paths } from '../../config/paths.ts'
import type { Settings } from '../../config/settings.ts'
import { runCommand } from '../../system/command.ts'
import { isRunning } from '../../system/process-mark.ts'
import { createLogger } from '../../config/log.ts'
import { addressParts, addressPort, addressText } from '../../app/address.ts'
import { qrCode } from '../address.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { print } from '../output.ts'
import { clientOfCheck } from '../../app/check-route.ts'
import type { SetupWishes } from './setup-answers.ts'
import {
  type Finding,
  instancePaths,
  processIsMember,
  type CheckResult,
  type CheckTarget,
  type CheckRoute,
  checkReachability,
  readStatusFile,
  type SetupResult,
} from '../../tor/index.ts'

/** What was found on this machine; the reasons to stop come as an error. */
export function findingLines(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ level }) => level !== 'stop')
    .map(({ text, remedy }) => (remedy === undefined ? text : `${text} ${remedy}`))
}

const singleHop = [
  'The onion service runs in single-hop mode: who knows its name can find out where this machine is, and messages come',
  'with less delay. Senders and recipients stay as anonymous as Tor makes them.',
]
const anonymous = [
  'The onion service is an ordinary one, which does not show where this machine is as long as nothing else does; messages',
  'take longer. It must have no clearnet name, and its key must never be used in single-hop mode.',
]
const managed = [
  'The service stands in the torrc and tor keeps its key, so that whoever takes the server over cannot take the name.',
  'In return the server cannot see or repair the service: tor alone looks after it.',
]

/** What the choice means, in two sentences each. */
export function meaningLines({ shape, form }: SetupWishes): string[] {
  return [...(shape.mode === 'anonymous' ? anonymous : singleHop), ...(form === 'torrc' ? managed : [])]
}

/** Shows the address, and reaches it from outside when the relay runs and the service is published. */
export async function reportSetup(result: SetupResult, { form, shape }: SetupWishes, paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const fingerprint = await readFingerprint(paths)
  const address = addressText(addressParts(settings, fingerprint))
  const target = { port: addressPort(settings.transport.ports) ?? 5223, keyHash: Buffer.from(fingerprint, 'base64url') }
  const here = await answers(settings, target)
  if (here && result.publication.published) {
    print('Reaching the server from outside, through Tor …')
    const client = clientOfCheck(paths, settings.tor.torrcExtra, createLogger({ level: 'error' }))
    print(checkLine(await checkSoon({ ...target, host: result.hostname }, { type: 'client', client })))
  }
  print(
    ...(result.changes.length === 0 ? ['Everything was set up already, nothing was changed.'] : []),
    ...(result.onionOnly && shape.mode === 'single-hop'
      ? [`Only those who use Tor can reach this server; add its public name to host in ${paths.ini}.`]
      : []),
    `Server address: ${address}`,
    qrCode(address),
    ...(here ? [] : ['The address answers only when the server runs: smp-server start']),
    ...(here && !result.relayRuns && form !== 'torrc' ? [await howRelayFollows(result, settings, paths)] : []),
  )
}

/** The relay follows its INI file by itself, but a process gets no new groups. */
async function howRelayFollows({ joined }: SetupResult, { tor }: Settings, paths: Paths): Promise<string> {
  const writer = (await readStatusFile(paths.torStatus))?.relay
  const isMember = (): Promise<boolean | undefined> =>
    writer && isRunning(writer) ? processIsMember(tor.instance, writer.pid, runCommand) : Promise.resolve(undefined)
  if (tor.mode !== 'system' || (joined === undefined && (await isMember()) !== false)) {
    return 'The running server takes the service over within seconds.'
  }
  const group = instancePaths(tor.instance).user
  return `Restart the running server, so that it has the new group ${group} and can look after the service: systemctl restart smp-server`
}

/** A running relay that brings the service into its own tor needs some seconds for that. */
async function checkSoon(target: CheckTarget, way: CheckRoute): Promise<CheckResult> {
  for (let attempt = 1; ; attempt += 1) {
    const proof = await checkReachability(target, way)
    if (!proof.fault || attempt === 3) return proof
    await sleep(5000)
  }
}

/** Whether this relay, and no other, listens on this machine. */
async function answers({ transport }: Settings, target: { port: number; keyHash: Buffer }): Promise<boolean> {
  const proof = await checkReachability({ ...target, host: transport.listenHost ?? '127.0.0.1' }, { type: 'direct' })
  return proof.fault === undefined
}

function checkLine({ fault, ms }: CheckResult): string {
  return fault ? `Not reached yet: ${fault.message} ${fault.remedy}` : `Reached in ${(ms / 1000).toFixed(1)} s.`
}
