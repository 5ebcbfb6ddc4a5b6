import { stat } from 'node:fs/promises'
import { confirm, isCancel } from '@clack/prompts'
import type { Command } from 'commander'
import { createLogger } from '../../config/log.ts'
import type { Paths } from '../../config/paths.ts'
import { runCommand, runLongCommand } from '../../system/command.ts'
import { detectServiceManager } from '../../system/service-manager.ts'
import type { Context } from '../context.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { findingLines, meaningLines, reportSetup } from './setup-report.ts'
import { addSetupOptions, type TorSetupOptions } from './setup-options.ts'
import { type SetupWishes, setupWishes } from './setup-answers.ts'
import { lineProgress, terminalProgress } from './progress.ts'
import {
  changesNothing,
  clockFacts,
  type Finding,
  type Installation,
  installTor,
  judge,
  judgeClock,
  judgePorts,
  lookAtPorts,
  type MachineFacts,
  managedPlace,
  outsider,
  type Plan,
  planDiff,
  planLines,
  planSetup,
  preflight,
  readOnionKey,
  setupManagedTor,
  setupOwnTor,
  type SetupProgress,
  type SetupResult,
  setupSystemTor,
  usualTorrcs,
} from '../../tor/index.ts'

export function addTorSetup(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('setup')
    .description('Set up an onion service for this server, and add its name to the address')
    .action((options: TorSetupOptions) => setup(options, paths))
  addSetupOptions(command)
}

async function setup(options: TorSetupOptions, paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const services = detectServiceManager(runCommand)
  const facts = await preflight({ run: runCommand, services, torrcs: await usualTorrcs(), ini: paths.ini })
  const wishes = await setupWishes(options, settings, paths, facts.socks.value)
  const now = new Date()
  const clock = await clockFacts({ run: runCommand, services, torDirectories: [paths.tor, paths.torClient], now })
  const relayPorts = settings.transport.ports
  const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
  const findings = [
    ...judge(facts, await judged(options, wishes, paths)),
    ...judgeClock(clock),
    ...judgePorts(await lookAtPorts({ ports: wishes.ports, relayPorts, keyHash }), paths.ini),
  ]
  print(...findingLines(findings))
  const blocked = findings.find(({ level }) => level === 'stop')
  // A plan can be read by anybody.
  if (blocked && !options.dryRun) throw refusal(blocked)
  const installation = wantedInstallation(options, facts)
  print(...meaningLines(wishes))
  const plan = await planSetup({ ...planned(wishes, paths), installation, joins: await userToJoin(wishes, paths) })
  if (options.dryRun) {
    print(...dryRunLines(plan))
    if (blocked) throw refusal(blocked)
    return
  }
  await agreed(plan, options)
  if (installation) await installTor(installation, runLongCommand)
  const progress = process.stdout.isTTY ? terminalProgress() : lineProgress()
  let result: SetupResult
  try {
    result = await run(wishes, paths, progress)
  } catch (error) {
    progress.interrupt()
    throw error
  }
  await reportSetup(result, wishes, paths)
}

function refusal({ text, remedy }: Finding): Refusal {
  return new Refusal(`Error: ${text}`, ...(remedy === undefined ? [] : [remedy]))
}

async function judged(
  options: TorSetupOptions,
  { shape, form, instance, adoption, importKey }: SetupWishes,
  { onionKey }: Paths,
): Promise<Parameters<typeof judge>[1]> {
  return {
    form: form === 'own' ? 'own' : 'system',
    anonymous: shape.mode === 'anonymous',
    torrcManaged: form === 'torrc',
    officialRepository: options.officialRepo ?? false,
    adopts: adoption !== undefined,
    ownTorrc: form === 'torrc' ? managedPlace(instance).torrc : undefined,
    pow: shape.pow ?? false,
    hasKey: (adoption?.key ?? importKey ?? (await readOnionKey(onionKey))) !== undefined,
  }
}

function wantedInstallation({ officialRepo }: TorSetupOptions, facts: MachineFacts): Installation | undefined {
  if (officialRepo) return { official: { codename: facts.release.value?.codename ?? '' } }
  return facts.torVersion.value === undefined ? {} : undefined
}

function planned(wishes: SetupWishes, paths: Paths): Omit<Parameters<typeof planSetup>[0], 'installation'> {
  const { ini: iniWishes, ...rest } = wishes
  return { ...rest, wishes: iniWishes, ini: paths.ini, keyFile: paths.onionKey }
}

/** The relay's user, when the control socket of the system's tor is not open to it yet. */
async function userToJoin({ form, instance }: SetupWishes, paths: Paths): Promise<string | undefined> {
  return form === 'system' ? await outsider(instance, (await stat(paths.ini)).uid, runCommand) : undefined
}

function dryRunLines(plan: Plan): string[] {
  const diff = planDiff(plan)
  return [
    ...planLines(plan),
    '',
    ...(diff === '' ? [] : diff.trimEnd().split('\n')),
    changesNothing(plan) ? 'Everything is set up already.' : 'This was a dry run: nothing was changed.',
  ]
}

async function agreed(plan: Plan, { yes }: TorSetupOptions): Promise<void> {
  const onTerminal = process.stdin.isTTY && process.stdout.isTTY
  print(...planLines(plan))
  if (!onTerminal || yes) return
  const answer = await confirm({ message: 'Set it up?' })
  if (isCancel(answer) || !answer) throw new Refusal('Nothing was changed.')
}

async function run(wishes: SetupWishes, paths: Paths, progress: SetupProgress): Promise<SetupResult> {
  const { ini, form, instance, ...rest } = wishes
  const common = {
    ...rest,
    ini: paths.ini,
    keyFile: paths.onionKey,
    portsFile: paths.onionPorts,
    wishes: ini,
    log: createLogger({ level: 'warn' }),
  }
  const services = detectServiceManager(runCommand)
  if (form === 'own') return await setupOwnTor({ ...common, services, directory: paths.tor }, progress)
  const system = { ...common, instance, services, run: runCommand }
  return form === 'torrc' ? await setupManagedTor(system, progress) : await setupSystemTor(system, progress)
}
