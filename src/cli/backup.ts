import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, type Option } from 'commander'
import { Refusal } from '../errors/refusal.ts'
import type { Backup } from '../backup/make-backup.ts'
import { fileSource, streamSource, type BackupSource } from '../backup/source.ts'
import type { KeyFor } from '../backup/unpack.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { type AgeLock, isAgeRecipient } from '../crypto/age-file.ts'
import type { StoreCounts } from '../store/store.ts'
import { AppError } from '../errors/app-error.ts'
import { isOnion } from '../protocol/host.ts'
import { checkAccess } from '../app/access.ts'
import { addressParts, addressText } from '../app/address.ts'
import type { Context } from './context.ts'
import { loadSettings } from '../app/load-settings.ts'
import { readFingerprint } from '../app/identity.ts'
import { askStatus } from '../app/relay-status.ts'
import { interruptible } from './interruption.ts'
import { addOptions, listOption, valueOption } from './options.ts'
import { keepStdoutForData, print, say, saySuccess } from './output.ts'
import {
  hasPassphrase,
  newPassphrase,
  passphraseFile,
  type PassphraseOptions,
  passphraseSource,
  presentPassphrase,
} from './passphrase.ts'
import { copiedProgress } from './copied-progress.ts'
import { noteBackup } from '../app/last-backup.ts'
import { checkStorage } from '../app/storage-check.ts'
import { processText } from '../system/process-text.ts'

interface BackupOptions extends PassphraseOptions {
  readonly recipient?: readonly string[]
}

interface OpenOptions extends PassphraseOptions {
  readonly identityFile?: string
}

export function addBackup(program: Command, { paths }: Context): void {
  // `verify` has options of the same names.
  program.enablePositionalOptions()
  const backup = program
    .command('backup')
    .description('Back up the whole relay to FILE (- for stdout), encrypted, also while it runs')
    .argument('<FILE>')
    .enablePositionalOptions()
    .action((file: string, options: BackupOptions) => backUp(file, options, paths))
  addOptions(backup, [
    listOption('-r, --recipient <RECIPIENT>', 'Who can open it: age1..., also several times', recipients),
    passphraseFile(),
  ])
  const verify = backup
    .command('verify')
    .description('Open the backup FILE (- for stdin), check every file and record in it, and print what it holds')
    .argument('<FILE>')
    .action((file: string, options: OpenOptions) => verifyFile(file, options))
  addOptions(verify, [identityFile(), passphraseFile()])
}

export function addRestore(program: Command, { paths }: Context): void {
  const restore = program
    .command('restore')
    .description('Restore a relay from FILE (- for stdin), where there is none')
    .argument('<FILE>')
    .action((file: string, options: OpenOptions) => restoreRelay(file, options, paths))
  addOptions(restore, [identityFile(), passphraseFile()])
}

function recipients(value: string): readonly string[] {
  const list = value.split(/[\s,]+/)
  const wrong = list.find((recipient) => !isAgeRecipient(recipient))
  if (wrong === undefined) return list
  throw new InvalidArgumentError(`"${wrong}" is not an age recipient: copy the public key that \`age-keygen\` prints`)
}

function identityFile(): Option {
  const path = (file: string): string => resolve(file)
  return valueOption('-i, --identity-file <FILE>', 'File with the secret key of a recipient (age-keygen)', path)
}

const STDIO = '-'

async function backUp(file: string, options: BackupOptions, paths: Paths): Promise<void> {
  const isStream = file === STDIO
  if (isStream) {
    if (process.stdout.isTTY) throw new Refusal('A backup is binary data.', 'Redirect it: smp-server backup - >FILE')
    keepStdoutForData()
  }
  const { settings } = await loadSettings(paths)
  checkAccess(paths)
  await checkStorage(settings, paths)
  await readFingerprint(paths)
  const [{ makeBackup }, { FileTarget, StreamTarget }] = await Promise.all([
    import('../backup/make-backup.ts'),
    import('../backup/target.ts'),
  ])
  const target = isStream
    ? new StreamTarget(process.stdout)
    : new FileTarget({ file: resolve(file), stateDir: paths.stateDir })
  const now = new Date()
  let used: AgeLock | undefined
  const lock = async (): Promise<AgeLock> => (used = await chosenLock(options, settings, isStream))
  const backup = await interruptible((signal) =>
    makeBackup({ paths, target, lock, now, signal, onProgress: copiedProgress(), onWarning: say }),
  )
  await noteBackup(paths, now)
  const { onion, counts, size } = backup
  const onionKey = onion ? `, the onion key of ${onion}` : ''
  saySuccess(
    `Backed up to ${isStream ? 'standard output' : resolve(file)} (${size} bytes, encrypted): identity, configuration${onionKey}, ${countsText(counts)}.`,
    'A backup is a snapshot: messages received later are not included, and messages delivered later would be delivered again.',
    ...absentLines(backup, paths),
    ...keepingLines(used),
  )
}

/** Options come first, then the environment, [BACKUP], and a question. */
async function chosenLock(options: BackupOptions, { backup }: Settings, isStream: boolean): Promise<AgeLock> {
  const { ageLock, passphraseLock } = await import('../backup/lock.ts')
  if (options.recipient) return { type: 'recipients', recipients: [...new Set(options.recipient)] }
  const source = passphraseSource(options, isStream ? process.stderr : process.stdout)
  if (backup.lock !== undefined && !hasPassphrase(source)) return await ageLock(backup.lock)
  return passphraseLock(await newPassphrase(source))
}

function keepingLines(lock: AgeLock | undefined): string[] {
  if (lock?.type !== 'recipients') {
    return [
      'Store the file and its passphrase on other machines, apart from each other. Anyone with both can impersonate this relay; lose either and it cannot be restored.',
      'Restore with `smp-server restore FILE`; `age -d FILE | tar t` lists the content.',
    ]
  }
  const { length } = lock.recipients
  const who =
    length === 1 ? 'the secret key of its recipient opens' : `the secret key of one of its ${length} recipients opens`
  return [
    `Only ${who} it. Keep that key away from this machine: anyone with both can impersonate this relay; without the key it cannot be restored.`,
    'Restore with `smp-server restore FILE --identity-file KEY_FILE`; `age -d -i KEY_FILE FILE | tar t` lists the content.',
  ]
}

function countsText(counts: StoreCounts | undefined): string {
  return counts ? `${counts.queues} queues and ${counts.messages} messages` : 'no queues'
}

/** What belongs to the relay and is kept elsewhere. */
function absentLines({ settings, names }: Backup, paths: Paths): string[] {
  const { tor, transport, web, backup } = settings
  const keyOfTor = tor.mode === 'torrc' && transport.hosts.some(isOnion)
  const certificate = web.https?.certificate
  const isElsewhere = certificate !== undefined && certificate !== paths.webCertificate && existsSync(certificate)
  return [
    ...(names.includes('config/ca.key') ? [] : ['Not included: ca.key, which is not on this machine. Keep your copy.']),
    ...(keyOfTor ? ['Not included: the onion key, which Tor has. Back up its HiddenServiceDir too.'] : []),
    ...(tor.torrcExtra === undefined ? [] : [`Not included: ${tor.torrcExtra} (extra torrc lines).`]),
    ...(isElsewhere ? [`Not included: ${certificate}, which is outside of ${paths.configDir}.`] : []),
    ...(backup.lock?.type === 'passphrase' ? [`Not included: ${backup.lock.file} (the passphrase of backups).`] : []),
  ]
}

function sourceOf(file: string): BackupSource {
  return file === STDIO ? streamSource('standard input', process.stdin) : fileSource(resolve(file))
}

function keyFrom(options: OpenOptions, source: BackupSource): KeyFor {
  return async (type) => {
    if (type === 'passphrase') {
      return { type: 'passphrase', passphrase: await presentPassphrase(passphraseSource(options)) }
    }
    if (options.identityFile === undefined) {
      const remedy = 'Pass the file with the secret key of one of them: `--identity-file KEY_FILE`'
      throw new AppError('BACKUP_IDENTITY', `${source.name} is encrypted to age recipients.`, remedy)
    }
    const { readIdentities } = await import('../backup/identity-file.ts')
    return await readIdentities(options.identityFile)
  }
}

async function verifyFile(file: string, options: OpenOptions): Promise<void> {
  const { verifyBackup } = await import('../backup/verify-backup.ts')
  const source = sourceOf(file)
  const keyFor = keyFrom(options, source)
  const { fingerprint, onion, madeAt, counts } = await interruptible((signal) =>
    verifyBackup({ source, keyFor, temporary: temporaryDirectory(), signal }),
  )
  saySuccess(`The backup ${source.name} is complete. It was made at ${madeAt.toISOString()}.`)
  print(`Fingerprint: ${fingerprint}`, ...(onion ? [`Onion address: ${onion.hostname}`] : []))
  if (counts === undefined) {
    say('Store: none.')
    return
  }
  const { queues, messages, notifications, notifiers, rcvServices, ntfServices } = counts
  print(
    `Queues: ${queues}`,
    `Messages: ${messages}`,
    `Notifiers: ${notifiers}`,
    `Notifications: ${notifications}`,
    `Services: ${rcvServices + ntfServices}`,
  )
}

/** /tmp is often in memory, which a store may not fit into. */
function temporaryDirectory(): string {
  return process.env.TMPDIR === undefined && existsSync('/var/tmp') ? '/var/tmp' : tmpdir()
}

async function restoreRelay(file: string, options: OpenOptions, paths: Paths): Promise<void> {
  const running = await askStatus(paths).catch(() => undefined)
  if (running) {
    const message = `A relay is running in ${paths.stateDir}: ${processText(running.pid)}.`
    throw new AppError('RELAY_RUNNING', message, 'Stop it first: `systemctl stop smp-server`, or end that process.')
  }
  const { restoreBackup } = await import('../backup/restore-backup.ts')
  const source = sourceOf(file)
  const keyFor = keyFrom(options, source)
  const { settings, fingerprint, onion, madeAt, counts } = await interruptible((signal) =>
    restoreBackup({ paths, source, keyFor, signal }),
  )
  saySuccess(
    `Restored the relay as of ${madeAt.toISOString()}: ${countsText(counts)}.`,
    'Messages that it received later are lost, and messages that it delivered later are delivered again.',
  )
  print(`Server address: ${addressText(addressParts(settings, fingerprint))}`)
  say(
    'Next:',
    '- Stop the relay on the old machine for good: it must never run in two places.',
    ...(settings.store.database && counts ? databaseLines(settings.store.database) : []),
    ...nextLines(settings, onion?.hostname),
    '- Start it: `smp-server start` or `systemctl enable --now smp-server`.',
  )
}

function nextLines({ tor, transport, backup }: Settings, restored: string | undefined): string[] {
  const onion = restored ?? transport.hosts.find(isOnion)
  const clearnet = transport.hosts.filter((host) => !isOnion(host)).join(', ')
  const isMissing = backup.directory !== undefined && !existsSync(backup.directory)
  return [
    ...(clearnet === '' ? [] : [`- Point ${clearnet} to this machine, or change \`host\` in [TRANSPORT].`]),
    ...(onion === undefined ? [] : [onionLine(tor.mode, onion)]),
    ...(isMissing ? [`- Create ${backup.directory} for automatic backups, or change \`directory\` in [BACKUP].`] : []),
  ]
}

/** Of a relay whose INI file names a database: the store is in the state directory, and has to go one way or the other. */
function databaseLines({ schema }: NonNullable<Settings['store']['database']>): string[] {
  return [
    `- The queues are in the state directory now. Move them into PostgreSQL, into a schema ${schema} that is new: \`smp-server database import\`.`,
    '  Or serve them from there: `smp-server config set STORE_LOG.store_queues memory STORE_LOG.store_messages memory`',
  ]
}

function onionLine(mode: Settings['tor']['mode'], onion: string): string {
  switch (mode) {
    case 'torrc':
      return `- Restore the HiddenServiceDir of ${onion}: Tor had its key, so it is not in the backup.`
    case 'external':
      return `- Check that \`control\` and \`target\` in [TOR] are right for this machine: the relay publishes ${onion} through that Tor.`
    case 'system':
      return `- Run \`smp-server tor setup --system\` as root to publish ${onion} from this machine.`
    default:
      return `- Install Tor (\`apt install tor\`): the relay then publishes ${onion} by itself.`
  }
}
