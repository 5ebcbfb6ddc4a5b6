import type { Command } from 'commander'
import type { Paths } from '../../config/paths.ts'
import type { Settings } from '../../config/settings.ts'
import { runCommand, runLongCommand } from '../../system/command.ts'
import { detectServiceManager, type ServiceManager } from '../../system/service-manager.ts'
import type { Context } from '../context.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { portsWith } from '../../app/onion-settings.ts'
import { relayLink } from '../../app/relay-link.ts'
import { interruptible } from '../interruption.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { confirm } from '../confirm.ts'
import { findingLines, meaningLines, reportSetup } from './setup-report.ts'
import { addSetupOptions, type TorSetupOptions } from './setup-options.ts'
import { setupRequest } from './setup-request.ts'
import { shownProgress } from './progress.ts'
import {
  clockFacts,
  clockFindings,
  externalFindings,
  type Finding,
  type Installation,
  type MachineFacts,
  type PlanOptions,
  planDiff,
  planLines,
  planSetup,
  portFacts,
  portFindings,
  preflight,
  preflightFindings,
  type SetupRequest,
  setUpTor,
  type Step,
  toDo,
  torPlace,
  usualTorrcs,
} from '../../tor/index.ts'

export function addTorSetup(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('setup')
    .description('Set up an onion service for this relay, and add its onion address to the server address')
    .action((options: TorSetupOptions) => setup(options, paths))
  addSetupOptions(command)
}

async function setup(options: TorSetupOptions, paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const services = detectServiceManager(runCommand)
  const { configDir, stateDir } = paths
  const facts = await preflight({ run: runCommand, services, torrcs: await usualTorrcs(), configDir, stateDir })
  const request = await setupRequest(options, settings, paths, facts.socks.value)
  const findings = await allFindings(facts, request, options, { settings, paths, services })
  print(...findingLines(findings))
  const blocked = findings.find(({ level }) => level === 'stop')
  if (blocked && !options.dryRun) throw refusal(blocked)
  print(...meaningLines(request))
  const plan: PlanOptions = {
    tools: {
      places: { ini: paths.ini, keyFile: paths.onionKey, portsFile: paths.onionPorts },
      run: runCommand,
      services,
    },
    installation: wantedInstallation(options, facts, request.mode),
    runLong: runLongCommand,
    relay: await relayLink(paths),
  }
  if (options.dryRun) {
    await dryRun(request, plan)
    if (blocked) throw refusal(blocked)
    return
  }
  const progress = shownProgress()
  try {
    const result = await interruptible(
      async (signal) =>
        await setUpTor(request, plan, { progress, signal, confirm: (steps) => agree(steps, options, signal) }),
      'Interrupted.',
    )
    await reportSetup(result, request, paths)
  } catch (error) {
    progress.interrupt()
    throw error
  }
}

interface Surroundings {
  readonly settings: Settings
  readonly paths: Paths
  readonly services: ServiceManager
}

async function allFindings(
  facts: MachineFacts,
  { mode, service, instance, adoption, external, ini }: SetupRequest,
  options: TorSetupOptions,
  { settings, paths, services }: Surroundings,
): Promise<Finding[]> {
  const relayPorts = settings.transport.ports
  const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
  // A tor elsewhere has a way of its own to this relay.
  const here = portsWith(settings, ini.web ?? false)
  const torDirectories = [paths.tor, paths.torClient]
  const request = {
    mode,
    officialRepository: options.officialRepo ?? false,
    adopts: adoption !== undefined,
    ownTorrc: mode === 'torrc' ? torPlace(instance).torrc : undefined,
    pow: service.pow ?? false,
    relayPorts,
  }
  return [
    ...preflightFindings(facts, request),
    ...clockFindings(await clockFacts({ run: runCommand, services, torDirectories, now: new Date() })),
    ...(external ? externalFindings(external, settings.transport.listenHost) : []),
    ...portFindings(await portFacts({ ports: here, relayPorts, keyHash }), paths.ini),
  ]
}

function refusal({ text, remedy }: Finding): Refusal {
  return new Refusal(`Error: ${text}`, ...(remedy === undefined ? [] : [remedy]))
}

function wantedInstallation(
  { officialRepo }: TorSetupOptions,
  facts: MachineFacts,
  mode: SetupRequest['mode'],
): Installation | undefined {
  if (officialRepo) return { official: { codename: facts.release.value?.codename ?? '' } }
  return facts.torVersion.value === undefined && mode !== 'external' ? {} : undefined
}

async function dryRun(request: SetupRequest, plan: PlanOptions): Promise<void> {
  const setup = await planSetup(request, { ...plan, isPreview: true })
  const { steps } = setup
  if (!plan.installation) await setup.verify()
  const diff = planDiff(steps)
  print(
    ...planLines(steps),
    '',
    ...(diff === '' ? [] : diff.trimEnd().split('\n')),
    toDo(steps).length === 0 ? 'Everything is already set up.' : 'This was a dry run. Nothing was changed.',
  )
}

async function agree(steps: readonly Step[], { yes }: TorSetupOptions, signal: AbortSignal): Promise<void> {
  if (toDo(steps).length === 0) return
  print(...planLines(steps))
  await confirm('Continue?', yes ?? false, true, signal)
}
