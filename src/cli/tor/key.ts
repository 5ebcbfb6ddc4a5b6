import { resolve } from 'node:path'
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
import { requireIni } from '../../app/load-settings.ts'
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
import {
  type Adopted,
  adoptKey,
  findTorrcService,
  loadKeyBackup,
  modeOfIni,
  nextKeyFile,
  type OnionMode,
  readForeignKey,
  readOnionKey,
  readOnionMode,
  requireMode,
  requireOwnKey,
  type TorrcService,
  usualTorrcs,
} from '../../tor/index.ts'

interface BackupOptions extends PassphraseOptions {
  readonly next?: true
}

interface PlaceOptions {
  readonly force?: true
}

interface ImportOptions extends PlaceOptions {
  readonly mode?: OnionMode
  readonly fromAnonymous?: true
  readonly torrc?: string
}

/** `tor key backup`, `restore` and `import`. */
export function addTorKey(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const key = tor.command('key').description('Keep the key of the onion address safe, or take over another one')
  const path = (file: string): string => resolve(file)
  const force = (): Option => new Option('--force', 'Put the key that is there aside')

  const backup = key
    .command('backup')
    .description('Write the onion key into FILE, encrypted with a passphrase')
    .argument('<FILE>')
    .action((file: string, options: BackupOptions) => backUp(resolve(file), options, paths))
  addOptions(backup, [
    passphraseFile(),
    new Option('--next', 'The key of the name that `tor rotate` has put beside the present one'),
  ])

  const restore = key
    .command('restore')
    .description('Bring the onion key back from FILE, which `tor key backup` has written')
    .argument('<FILE>')
    .action((file: string, options: PassphraseOptions & PlaceOptions) => restoreKey(resolve(file), options, paths))
  addOptions(restore, [passphraseFile(), force()])

  const from = key
    .command('import')
    .description("Take over the onion key in FILE: tor's hs_ed25519_secret_key, or ED25519-V3:…")
    .argument('<FILE>')
    .action((file: string, options: ImportOptions) => importKey(resolve(file), options, paths))
  addOptions(from, [
    valueOption(
      '--mode <MODE>',
      'What the key was used for, if for anything: single-hop, anonymous',
      checked(choice(['single-hop', 'anonymous']), "must be 'single-hop' or 'anonymous'"),
    ),
    new Option('--from-anonymous', 'Use the key of an anonymous service, although that shows where it was'),
    valueOption('--torrc <FILE>', 'A torrc beside the usual ones to look for a service with this key in', path),
    force(),
  ])
}

async function backUp(file: string, options: BackupOptions, paths: Paths): Promise<void> {
  requireIni(paths)
  requireOwnKey((await readIni(paths.ini)).text)
  const keyFile = options.next ? nextKeyFile(paths.onionKey) : paths.onionKey
  const key = await readOnionKey(keyFile)
  if (!key) {
    const remedy = `\`smp-server tor ${options.next ? 'rotate' : 'setup'}\` makes one.`
    throw new AppError('ONION_KEY_MISSING', `There is no onion key ${keyFile} to back up.`, remedy)
  }
  // Loading it takes longer than most commands do.
  const { sealKeyBackup, openKeyBackup } = await loadKeyBackup()
  const passphrase = await newPassphrase(passphraseSource(options))
  await writeNew(file, await sealKeyBackup(key, passphrase))
  const written = await openKeyBackup(await readSmallFile(file, 'Name another file.'), passphrase, file)
  if (written.serviceId !== key.serviceId) throw new Error('the backup holds another key than the one backed up')
  print(
    `The key of ${key.hostname} is in ${file}, encrypted.`,
    'Keep it and its passphrase on another machine, apart from each other: with both everybody can take the name over,',
    'without either nobody can bring it back. `smp-server tor key restore FILE` does so; `age -d FILE` shows the key.',
  )
}

async function writeNew(file: string, content: Uint8Array): Promise<void> {
  try {
    await writeDurably(file, content, { mode: 0o600, ifExists: 'fail' })
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EEXIST') throw new AppError('FILE_EXISTS', `${file} exists already.`, 'Name another file.')
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    const remedy = 'Make it, or name another file.'
    throw new AppError('FILE_MISSING', `The directory for ${file} does not exist.`, remedy, { cause: error })
  }
}

async function restoreKey(file: string, options: PassphraseOptions & PlaceOptions, paths: Paths): Promise<void> {
  requireIni(paths)
  const bytes = await readSmallFile(file, 'Name a file that `smp-server tor key backup` has written.')
  const { openKeyBackup } = await loadKeyBackup()
  const key = await openKeyBackup(bytes, await presentPassphrase(passphraseSource(options)), file)
  // A backup does not say what its key was used for, but this machine may.
  const service = await findTorrcService(key, file, await usualTorrcs())
  requireMode(service?.mode, modeOfIni((await readIni(paths.ini)).text), file)
  await adopt(key, options, paths, service)
}

async function importKey(file: string, options: ImportOptions, paths: Paths): Promise<void> {
  requireIni(paths)
  const key = await readForeignKey(file)
  const torrcs = [...(options.torrc === undefined ? [] : [options.torrc]), ...(await usualTorrcs())]
  const service = await findTorrcService(key, file, torrcs)
  const wanted = modeOfIni((await readIni(paths.ini)).text)
  if (!(options.fromAnonymous && wanted === 'single-hop')) {
    const used = service?.mode ?? (await readOnionMode(file, key)) ?? options.mode ?? (await askMode(key, file, wanted))
    requireMode(used, wanted, service ? `${file}, which ${service.torrc} names,` : file)
  }
  await adopt(key, options, paths, service)
}

async function askMode(key: OnionKey, file: string, wanted: OnionMode): Promise<OnionMode> {
  if (!isOnTerminal()) throw modeUnknown(file, wanted)
  const answer = await select<OnionMode>({
    message: `What was the key of ${key.hostname} used for until now?`,
    options: [
      { value: wanted, label: 'Nothing yet' },
      { value: 'single-hop', label: 'A single-hop service, whose place can be found out' },
      { value: 'anonymous', label: 'An anonymous onion service' },
    ],
  })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  return answer
}

function modeUnknown(file: string, wanted: OnionMode): AppError {
  const [other, why] =
    wanted === 'single-hop'
      ? ['anonymous', 'an anonymous onion service, whose place this relay would show']
      : ['single-hop', 'a single-hop service, whose place can be known already']
  return new AppError(
    'ONION_MODE_UNKNOWN',
    `Nothing says whether ${file} was the key of ${why}.`,
    `Give --mode ${wanted} if it was not, as with a key that was never used; otherwise --mode ${other}.`,
  )
}

async function adopt(
  key: OnionKey,
  { force }: PlaceOptions,
  paths: Paths,
  service: TorrcService | undefined,
): Promise<void> {
  const adopted = await adoptKey({ ini: paths.ini, keyFile: paths.onionKey, key, force: force ?? false })
  print(...adoptedLines(key, adopted, paths, service))
}

function adoptedLines(key: OnionKey, adopted: Adopted, paths: Paths, service: TorrcService | undefined): string[] {
  const { wasThere, aside, isNamed } = adopted
  return [
    wasThere
      ? `The key of ${key.hostname} is in ${paths.onionKey} already.`
      : `The key of ${key.hostname} is now in ${paths.onionKey}.`,
    ...(aside === undefined ? [] : [`The key that was there before is in ${aside}.`]),
    ...(service
      ? [`Take HiddenServiceDir ${service.directory} out of ${service.torrc}: only one tor can have a name.`]
      : []),
    isNamed
      ? 'A running server takes it over by itself within a minute.'
      : 'Run `smp-server tor setup`, which adds its name to the address.',
  ]
}
