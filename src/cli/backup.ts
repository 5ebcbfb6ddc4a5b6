import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { isOnion } from '../protocol/host.ts'
import { checkAccess } from '../app/access.ts'
import { addressParts, addressText } from '../app/address.ts'
import type { Context } from './context.ts'
import { loadSettings } from '../app/load-settings.ts'
import { readFingerprint } from '../app/identity.ts'
import { interruptible } from './interruption.ts'
import { addOptions } from './options.ts'
import { print } from './output.ts'
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
    .description('Write the whole relay into FILE, encrypted with a passphrase, while it runs')
    .argument('<FILE>')
    .action((file: string, options: PassphraseOptions) => backUp(resolve(file), options, paths))
  addOptions(backup, [passphraseFile()])
}

export function addRestore(program: Command, { paths }: Context): void {
  const restore = program
    .command('restore')
    .description('Bring a relay back from FILE, which `backup` has written, where none is')
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
  const held = counts ? `${counts.queues} queues and ${counts.messages} messages` : 'no queues'
  print(
    `The relay is in ${file}, encrypted (${size} bytes): identity, configuration${onion ? `, the key of ${onion.hostname}` : ''}, and ${held} as of ${now.toISOString()}.`,
    'Messages that are received after that are not in it. Those that are delivered after that would come again.',
    ...absentLines(settings, paths, names),
    'Keep it and its passphrase on another machine, apart from each other: with both everybody can be this relay, without',
    'either nobody can bring it back. `smp-server restore FILE` does so; `age -d FILE | tar t` shows what is in it.',
  )
}

/** What belongs to the relay and is elsewhere. */
function absentLines({ tor, transport, web }: Settings, paths: Paths, names: readonly string[]): string[] {
  const foreignKey = tor.mode === 'torrc' && transport.hosts.some(isOnion)
  const certificate = web.https?.certificate
  const isElsewhere = certificate !== undefined && certificate !== paths.webCertificate && existsSync(certificate)
  return [
    ...(names.includes('config/ca.key') ? [] : ['Not in it: ca.key, which is not here. Keep the copy that you have.']),
    ...(foreignKey ? ['Not in it: the onion key, which tor has. Back up the HiddenServiceDir in its torrc, too.'] : []),
    ...(tor.torrcExtra === undefined ? [] : [`Not in it: ${tor.torrcExtra}, the further lines for tor.`]),
    ...(isElsewhere ? [`Not in it: ${certificate}, which is outside of ${paths.configDir}.`] : []),
  ]
}

async function restoreRelay(file: string, options: PassphraseOptions, paths: Paths): Promise<void> {
  const { restoreBackup } = await import('../backup/restore-backup.ts')
  const passphrase = (): Promise<string> => presentPassphrase(passphraseSource(options))
  const { settings, fingerprint, onion, madeAt, counts } = await interruptible((signal) =>
    restoreBackup({ paths, file, passphrase, signal }),
  )
  const held = counts ? `${counts.queues} queues and ${counts.messages} messages` : 'no queues'
  print(
    `The relay is as it was at ${madeAt.toISOString()}: ${held}.`,
    'Messages that came after that are not here, and those that were delivered after that may come again.',
    `Server address: ${addressText(addressParts(settings, fingerprint))}`,
    'What to do next:',
    ' - Do not run it here and on the old machine at the same time: stop it there for good first.',
    ...nextLines(settings, onion?.hostname),
    ' - Start it: smp-server start, or systemctl enable --now smp-server.',
  )
}

function nextLines({ tor, transport }: Settings, onion: string | undefined): string[] {
  const name = onion ?? transport.hosts.find(isOnion)
  const clearnet = transport.hosts.filter((host) => !isOnion(host)).join(', ')
  const dns = clearnet === '' ? [] : [` - Let ${clearnet} lead to this machine, or change host in [TRANSPORT].`]
  if (name === undefined) return dns
  if (tor.mode === 'torrc') {
    return [...dns, ` - Bring the HiddenServiceDir of ${name} back: its key was with tor and not in the backup.`]
  }
  if (tor.mode === 'system') {
    return [...dns, ` - Run \`smp-server tor setup --system\` as root: a tor of this machine gets ${name}, as before.`]
  }
  return [...dns, ` - tor has to be installed: then ${name} comes back by itself, with the same name.`]
}
