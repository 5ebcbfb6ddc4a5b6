import { dirname, resolve } from 'node:path'
import { isCancel, select } from '@clack/prompts'
import { type Command, Option } from 'commander'
import { AppError } from '../../errors/app-error.ts'
import { choice } from '../../config/key-values.ts'
import type { Paths } from '../../config/paths.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { readIni } from '../../config/ini-file.ts'
import { readSmallFile } from '../../system/small-file.ts'
import type { Context } from '../context.ts'
import { askRelay } from '../../app/control-socket/client.ts'
import { loadSettings, requireIni } from '../../app/load-settings.ts'
import { addOptions, checked, valueOption } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import {
  isOnTerminal,
  newPassphrase,
  passphraseFile,
  type PassphraseOptions,
  passphraseSource,
  presentPassphrase,
} from '../passphrase.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { keyInUse } from './setup-request.ts'
import {
  type HiddenService,
  loadKeyBackup,
  modeOfIni,
  nextKeyFile,
  readForeignKey,
  readOnionKey,
  readOnionRecord,
  readServiceType,
  type ReplacedKey,
  replaceKey,
  requireOwnKey,
  requireServiceType,
  type ServiceType,
  serviceTypeOf,
  serviceWithKey,
  torModeOf,
  usualTorrcs,
} from '../../tor/index.ts'

interface BackupOptions extends PassphraseOptions {
  readonly next?: true
}

interface PlaceOptions {
  readonly force?: true
}

interface ImportOptions extends PlaceOptions {
  readonly mode?: ServiceType
  readonly fromAnonymous?: true
  readonly torrc?: string
}

/** `tor key backup`, `restore` and `import`. */
export function addTorKey(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const key = tor.command('key').description('Back up, restore or import the onion key')
  const path = (file: string): string => resolve(file)
  const force = (): Option => new Option('--force', 'Replace the present key, and keep it in another file')

  const backup = key
    .command('backup')
    .description('Write the onion key to FILE, encrypted with a passphrase')
    .argument('<FILE>')
    .action((file: string, options: BackupOptions) => backUp(resolve(file), options, paths))
  addOptions(backup, [passphraseFile(), new Option('--next', 'The key of the new address during a rotation')])

  const restore = key
    .command('restore')
    .description('Restore the onion key from FILE, a backup made by `tor key backup`')
    .argument('<FILE>')
    .action((file: string, options: PassphraseOptions & PlaceOptions) => restoreKey(resolve(file), options, paths))
  addOptions(restore, [passphraseFile(), force()])

  const from = key
    .command('import')
    .description("Import the onion key in FILE: tor's hs_ed25519_secret_key, or ED25519-V3:…")
    .argument('<FILE>')
    .action((file: string, options: ImportOptions) => importKey(resolve(file), options, paths))
  addOptions(from, [
    valueOption(
      '--mode <MODE>',
      'Service type that the key was used with: single-hop, anonymous',
      checked(choice(['single-hop', 'anonymous']), "must be 'single-hop' or 'anonymous'"),
    ),
    new Option('--from-anonymous', 'Accept the key of an anonymous service, although that reveals where it ran'),
    valueOption('--torrc <FILE>', 'Another torrc to search for a service with this key', path),
    force(),
  ])
}

async function backUp(file: string, options: BackupOptions, paths: Paths): Promise<void> {
  requireIni(paths)
  const ini = (await readIni(paths.ini)).text
  requireOwnKey(torModeOf(modeOfIni(ini), await readOnionRecord(paths.onionKey), true))
  const keyFile = options.next ? nextKeyFile(paths.onionKey) : paths.onionKey
  const key = await readOnionKey(keyFile)
  if (!key) {
    const remedy = `Create one with \`smp-server tor ${options.next ? 'rotate' : 'setup'}\`.`
    throw new AppError('ONION_KEY_MISSING', `There is no onion key ${keyFile}.`, remedy)
  }
  const { sealKeyBackup, openKeyBackup } = await loadKeyBackup()
  const passphrase = await newPassphrase(passphraseSource(options))
  await writeNew(file, await sealKeyBackup(key, passphrase))
  const written = await openKeyBackup(await readSmallFile(file, 'Pass another file.'), passphrase, file)
  if (written.serviceId !== key.serviceId) throw new Error('the backup holds another key than the one backed up')
  print(
    `The key of ${key.hostname} was written to ${file}, encrypted.`,
    'Store the file and its passphrase away from this machine and from each other. Anyone with both can impersonate the onion service; lose either and the key cannot be restored.',
    `To restore it: smp-server tor key restore ${file}`,
  )
}

async function writeNew(file: string, content: Uint8Array): Promise<void> {
  try {
    await writeDurably(file, content, { mode: 0o600, ifExists: 'fail' })
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EEXIST') throw new AppError('FILE_EXISTS', `${file} already exists.`, 'Pass another file name.')
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    const remedy = `Create it: mkdir -p ${dirname(file)}`
    throw new AppError('FILE_MISSING', `The directory of ${file} does not exist.`, remedy, { cause: error })
  }
}

async function restoreKey(file: string, options: PassphraseOptions & PlaceOptions, paths: Paths): Promise<void> {
  requireIni(paths)
  const bytes = await readSmallFile(file, 'Pass a file that `smp-server tor key backup` has written.')
  const { openKeyBackup } = await loadKeyBackup()
  const key = await openKeyBackup(bytes, await presentPassphrase(passphraseSource(options)), file)
  // A backup does not say which service type its key was used with, but a torrc of this machine may.
  const service = await serviceWithKey(key, file, await usualTorrcs())
  requireServiceType(service?.type, await wantedType(paths), file)
  await replace(key, file, options, paths, service)
}

async function importKey(file: string, options: ImportOptions, paths: Paths): Promise<void> {
  requireIni(paths)
  const key = await readForeignKey(file)
  const torrcs = [...(options.torrc === undefined ? [] : [options.torrc]), ...(await usualTorrcs())]
  const service = await serviceWithKey(key, file, torrcs)
  const wanted = await wantedType(paths)
  if (!(options.fromAnonymous && wanted === 'single-hop')) {
    const used =
      service?.type ?? (await readServiceType(file, key)) ?? options.mode ?? (await askServiceType(key, file, wanted))
    requireServiceType(used, wanted, service ? `${file}, which ${service.torrc} uses,` : file)
  }
  await replace(key, file, options, paths, service)
}

async function wantedType(paths: Paths): Promise<ServiceType> {
  return serviceTypeOf((await readIni(paths.ini)).text, await readOnionRecord(paths.onionKey))
}

async function askServiceType(key: OnionKey, file: string, wanted: ServiceType): Promise<ServiceType> {
  if (!isOnTerminal()) throw serviceTypeUnknown(file, wanted)
  const answer = await select<ServiceType>({
    message: `Which service type was the key of ${key.hostname} used with?`,
    options: [
      { value: wanted, label: 'None, it was never used' },
      { value: 'single-hop', label: 'Single-hop, which reveals where it ran' },
      { value: 'anonymous', label: 'Anonymous' },
    ],
  })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  return answer
}

function serviceTypeUnknown(file: string, wanted: ServiceType): AppError {
  const [other, why] =
    wanted === 'single-hop'
      ? ['anonymous', 'an anonymous service, which this relay would reveal']
      : ['single-hop', 'a single-hop service, whose location may be known already']
  return new AppError(
    'ONION_MODE_UNKNOWN',
    `It is unknown whether ${file} was the key of ${why}.`,
    `Pass --mode ${wanted} if it was not (for example because it was never used), or --mode ${other}.`,
  )
}

async function replace(
  key: OnionKey,
  file: string,
  { force }: PlaceOptions,
  paths: Paths,
  service: HiddenService | undefined,
): Promise<void> {
  const { settings } = await loadSettings(paths)
  if (service) throw keyInUse(file, service, settings.transport.ports)
  const replaced = await replaceKey({ ini: paths.ini, keyFile: paths.onionKey, key, force: force ?? false })
  await askRelay(paths.controlSocket, 'POST /tor/reload').catch(() => undefined)
  print(...replacedLines(key, replaced, paths))
}

function replacedLines({ hostname }: OnionKey, { wasThere, aside, isInHost }: ReplacedKey, paths: Paths): string[] {
  return [
    wasThere
      ? `${paths.onionKey} already is the key of ${hostname}.`
      : `${paths.onionKey} is now the key of ${hostname}.`,
    ...(aside === undefined ? [] : [`The previous key was moved to ${aside}.`]),
    isInHost
      ? 'A running relay starts to use it within seconds.'
      : 'Run `smp-server tor setup` to add its address to the address of this relay.',
  ]
}
