import { resolve } from 'node:path'
import { confirm, isCancel } from '@clack/prompts'
import { type Command, Option } from 'commander'
import { createLogger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import { runCommand } from '../tor/command.ts'
import { onionPorts } from '../tor/onion-ports.ts'
import { detectServiceManager } from '../tor/service-manager.ts'
import { type SetupProgress, type SetupResult, setupOwnTor, setupSystemTor } from '../tor/setup.ts'
import { addressParts, addressText } from './address-text.ts'
import type { Context } from './context.ts'
import { readFingerprint } from './identity.ts'
import { loadSettings } from './ini-file.ts'
import { addOptions, valueOption } from './options.ts'
import { print, Refusal } from './output.ts'
import { addTorCheck } from './tor-check.ts'
import { lineProgress, terminalProgress } from './tor-progress.ts'
import { addTorKey } from './tor-key.ts'
import { addTorRemove } from './tor-remove.ts'
import { addTorRotate } from './tor-rotate.ts'
import { addTorStatus } from './tor-status.ts'

interface TorSetupOptions {
  readonly own?: true
  readonly system?: true
  readonly torrcExtra?: string
  readonly yes?: true
}

export function addTor(program: Command, { paths }: Context): void {
  const tor = program.command('tor').description('Give this server an onion address')
  const command = tor
    .command('setup')
    .description('Set up an onion service for this server, and add its name to the address')
    .action((options: TorSetupOptions) => setup(options, paths))
  addOptions(command, [
    new Option('--own', 'The server runs a tor of its own, which needs no root'),
    new Option('--system', 'systemd runs a tor instance beside that of the system, needs root'),
    valueOption('--torrc-extra <FILE>', 'Further lines for the torrc, kept for every start of tor', (file) =>
      resolve(file),
    ),
    new Option('-y, --yes', 'Ask nothing'),
  ])
  addTorStatus(tor, { paths })
  addTorCheck(tor, { paths })
  addTorKey(tor, { paths })
  addTorRotate(tor, { paths })
  addTorRemove(tor, { paths })
}

const explanation = [
  'The onion service runs in single-hop mode: who knows its name can find out where this machine is, and messages come',
  'with less delay. Senders and recipients stay as anonymous as Tor makes them.',
]

async function setup(options: TorSetupOptions, paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const onTerminal = process.stdin.isTTY && process.stdout.isTTY
  print(...explanation)
  if (onTerminal && !options.yes) {
    const answer = await confirm({ message: 'Set it up?' })
    if (isCancel(answer) || !answer) throw new Refusal('Nothing was changed.')
  }
  const mode = options.own ? 'own' : options.system ? 'system' : (settings.tor.mode ?? 'own')
  const progress = onTerminal ? terminalProgress() : lineProgress()
  try {
    await report(await run(mode, options, paths, progress), paths, mode)
  } catch (error) {
    progress.interrupt()
    throw error
  }
}

async function run(
  mode: 'own' | 'system',
  { torrcExtra }: TorSetupOptions,
  paths: Paths,
  progress: SetupProgress,
): Promise<SetupResult> {
  const { settings } = await loadSettings(paths)
  const common = {
    ini: paths.ini,
    keyFile: paths.onionKey,
    portsFile: paths.onionPorts,
    ports: onionPorts(settings.transport.ports),
    torrcExtra,
    log: createLogger({ level: 'warn' }),
  }
  if (mode === 'own') return await setupOwnTor({ ...common, directory: paths.tor }, progress)
  const services = detectServiceManager(runCommand)
  return await setupSystemTor({ ...common, instance: settings.tor.instance, services, run: runCommand }, progress)
}

async function report(result: SetupResult, paths: Paths, mode: 'own' | 'system'): Promise<void> {
  const { settings } = await loadSettings(paths)
  const address = addressText(addressParts(settings, await readFingerprint(paths)))
  print(
    ...(result.changes.length === 0 ? ['Everything was set up already, nothing was changed.'] : []),
    ...(result.onionOnly
      ? [`Only those who use Tor can reach this server; add its public name to host in ${paths.ini}.`]
      : []),
    `Server address: ${address}`,
    '`smp-server address --qr` shows it as a QR code.',
    ...(result.relayRuns ? [] : [`Start or restart the server: ${nextStep[mode]}`]),
  )
}

const nextStep = {
  own: 'it runs its tor from then on.',
  system: 'it looks after the onion service from then on.',
}
