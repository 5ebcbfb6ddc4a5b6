import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { StoreCounts } from '../store/store.ts'
import { isOnion } from '../protocol/host.ts'
import { checkAccess } from '../app/access.ts'
import { addressParts, addressText } from '../app/address.ts'
import type { Context } from './context.ts'
import { loadSettings } from '../app/load-settings.ts'
import { readFingerprint } from '../app/identity.ts'
import { interruptible } from './interruption.ts'
import { addOptions } from './options.ts'
import { print, say, saySuccess } from './output.ts'
import {
  newPassphrase,
  passphraseFile,
  type PassphraseOptions,
  passphraseSource,
  presentPassphrase,
} from './passphrase.ts'
import { noteBackup } from '../app/last-backup.ts'
import { checkStorage } from '../app/storage-check.ts'

export function addBackup(program: Command, { paths }: Context): void {
  const backup = program
    .command('backup')
    .description('Back up the whole relay to FILE, encrypted, also while it runs')
    .argument('<FILE>')
    .action((file: string, options: PassphraseOptions) => backUp(resolve(file), options, paths))
  addOptions(backup, [passphraseFile()])
}

export function addRestore(program: Command, { paths }: Context): void {
  const restore = program
    .command('restore')
    .description('Restore a relay from FILE, where there is none')
    .argument('<FILE>')
    .action((file: string, options: PassphraseOptions) => restoreRelay(resolve(file), options, paths))
  addOptions(restore, [passphraseFile()])
}

async function backUp(file: string, options: PassphraseOptions, paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  checkAccess(paths)
  checkStorage(settings, paths)
  await readFingerprint(paths)
  const [{ makeBackup, requireNew }, { checkRelay }] = await Promise.all([
    import('../backup/make-backup.ts'),
    import('../backup/check-relay.ts'),
  ])
  const { onion } = await checkRelay(paths, settings)
  await requireNew(file)
  const passphrase = await newPassphrase(passphraseSource(options))
  const now = new Date()
  const { persistent } = settings.store
  const { counts, names, size } = await interruptible((signal) =>
    makeBackup({ paths, file, passphrase, now, persistent, signal }),
  )
  await noteBackup(paths, now)
  const onionKey = onion ? `, the onion key of ${onion.hostname}` : ''
  saySuccess(
    `Backed up to ${file} (${size} bytes, encrypted): identity, configuration${onionKey}, ${countsText(counts)}.`,
    'A backup is a snapshot: messages received later are not included, and messages delivered later would be delivered again.',
    ...absentLines(settings, paths, names),
    'Store the file and its passphrase on other machines, apart from each other. Anyone with both can impersonate this relay; lose either and it cannot be restored.',
    'Restore with `smp-server restore FILE`; `age -d FILE | tar t` lists the content.',
  )
}

function countsText(counts: StoreCounts | undefined): string {
  return counts ? `${counts.queues} queues and ${counts.messages} messages` : 'no queues'
}

/** What belongs to the relay and is kept elsewhere. */
function absentLines({ tor, transport, web }: Settings, paths: Paths, names: readonly string[]): string[] {
  const keyOfTor = tor.mode === 'torrc' && transport.hosts.some(isOnion)
  const certificate = web.https?.certificate
  const isElsewhere = certificate !== undefined && certificate !== paths.webCertificate && existsSync(certificate)
  return [
    ...(names.includes('config/ca.key') ? [] : ['Not included: ca.key, which is not on this machine. Keep your copy.']),
    ...(keyOfTor ? ['Not included: the onion key, which Tor has. Back up its HiddenServiceDir too.'] : []),
    ...(tor.torrcExtra === undefined ? [] : [`Not included: ${tor.torrcExtra} (extra torrc lines).`]),
    ...(isElsewhere ? [`Not included: ${certificate}, which is outside of ${paths.configDir}.`] : []),
  ]
}

async function restoreRelay(file: string, options: PassphraseOptions, paths: Paths): Promise<void> {
  const { restoreBackup } = await import('../backup/restore-backup.ts')
  const passphrase = (): Promise<string> => presentPassphrase(passphraseSource(options))
  const { settings, fingerprint, onion, madeAt, counts } = await interruptible((signal) =>
    restoreBackup({ paths, file, passphrase, signal }),
  )
  saySuccess(
    `Restored the relay as of ${madeAt.toISOString()}: ${countsText(counts)}.`,
    'Messages that it received later are lost, and messages that it delivered later are delivered again.',
  )
  print(`Server address: ${addressText(addressParts(settings, fingerprint))}`)
  say(
    'Next:',
    '- Stop the relay on the old machine for good: it must never run in two places.',
    ...nextLines(settings, onion?.hostname),
    '- Start it: `smp-server start` or `systemctl enable --now smp-server`.',
  )
}

function nextLines({ tor, transport }: Settings, restored: string | undefined): string[] {
  const onion = restored ?? transport.hosts.find(isOnion)
  const clearnet = transport.hosts.filter((host) => !isOnion(host)).join(', ')
  const dns = clearnet === '' ? [] : [`- Point ${clearnet} to this machine, or change \`host\` in [TRANSPORT].`]
  if (onion === undefined) return dns
  if (tor.mode === 'torrc') {
    return [...dns, `- Restore the HiddenServiceDir of ${onion}: Tor had its key, so it is not in the backup.`]
  }
  if (tor.mode === 'system') {
    return [...dns, `- Run \`smp-server tor setup --system\` as root to publish ${onion} from this machine.`]
  }
  return [...dns, `- Install Tor (\`apt install tor\`): the relay then publishes ${onion} by itself.`]
}
