import { readFile } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import { iniValue } from '../../config/ini.ts'
import { iniHosts, requireSameOnion } from '../../config/ini-hosts.ts'
import { readIni } from '../../config/ini-file.ts'
import type { CommandRunner } from '../../system/command.ts'
import { isOnion } from '../../protocol/host.ts'
import { generateOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import type { OnionPort } from '../control/onion.ts'
import { TorControl } from '../control/tor-control.ts'
import type { PublicationOutcome, Timeouts } from '../onion/await-publication.ts'
import { readOnionKey } from '../onion/key.ts'
import { readOnionRecord, readServiceType, requireServiceType, type TorMode } from '../onion/record.ts'
import { modeOfIni } from '../onion/tor-mode.ts'
import { awaitHostname, directoryKey } from '../onion/service-directory.ts'
import type { OnionServiceConfig } from '../onion/service-config.ts'
import { usualTorrcs, serviceWithKey } from '../process/hidden-services.ts'
import { instanceTorrc } from '../process/instance-torrc.ts'
import { verifyOwnTorrc } from '../process/own-torrc.ts'
import { missingMember } from '../process/system-instance.ts'
import { readTorrcExtra, refuseBridges, type TorrcExtra } from '../process/torrc-extra.ts'
import { instanceOf, torPlace, type TorPlace } from '../process/tor-place.ts'
import type { Adoption } from './adopt.ts'
import { connectSoon, publicationByRelay, publicationInTor, type RelayLink } from './await-setup.ts'
import { type ExternalTor, refuseOtherTor, verifyTor } from './external.ts'
import { editIni, type IniOptions } from './ini-options.ts'
import type { SetupProgress } from './run-steps.ts'
import type { RevertTools, Step } from './step.ts'
import { adoptionStep } from './steps/adoption.ts'
import { iniStep } from './steps/ini.ts'
import { instanceStep } from './steps/instance.ts'
import { type Installation, installStep, sourcesFile } from './steps/install.ts'
import { keyStep } from './steps/key.ts'
import { memberStep } from './steps/member.ts'
import { recordStep } from './steps/record.ts'
import { serviceKeyStep } from './steps/service-key.ts'
import { type ServedBySystem, serviceStep } from './steps/service.ts'
import { torrcStep } from './steps/torrc.ts'
import { unitStep } from './steps/unit.ts'

/** What `tor setup` is asked for, together with what the INI file says already. */
export interface SetupRequest {
  readonly mode: TorMode
  readonly instance: string
  readonly service: OnionServiceConfig
  readonly ports: readonly OnionPort[]
  readonly ini: Pick<IniOptions, 'isHidden' | 'web' | 'introDefence' | 'socksPort' | 'socksProxy'>
  /** With mode external: that tor. */
  readonly external?: ExternalTor | undefined
  /** The operator's torrc lines: of the command line, else of the INI file. */
  readonly torrcExtra?: string | undefined
  /** A service that was set up manually. */
  readonly adoption?: Adoption | undefined
  /** A key from a file. */
  readonly importKey?: { readonly key: OnionKey; readonly path: string } | undefined
}

export interface PlanOptions {
  readonly tools: RevertTools
  /** When tor is missing, or the Tor Project's is wanted. */
  readonly installation?: Installation | undefined
  /** For the installation, which must not be ended half-way. */
  readonly runLong?: CommandRunner | undefined
  /** Of the own tor; `tor` when absent. */
  readonly binary?: string | undefined
  /** The relay, if it runs. */
  readonly relay?: RelayLink | undefined
  /** Only to be shown: a new key gets a placeholder for its address. */
  readonly isPreview?: boolean
}

/** The whole setup, before anything is changed. */
export interface SetupPlan {
  readonly steps: readonly Step[]
  readonly hostname: string
  /** `[TRANSPORT] host` as it will be. */
  readonly hosts: readonly string[]
  /** The user who joins the group of the instance, which a process that runs does not notice. */
  readonly joins: string | undefined
  /** Lets tor check the operator's lines, as far as no step does. */
  verify(): Promise<void>
  /** Waits until the service is published, once the steps are applied. */
  publication(progress: SetupProgress, timeouts: Timeouts, signal?: AbortSignal): Promise<PublicationOutcome>
}

/** Stands for the address of a key that is only going to be created. */
export const NEW_ADDRESS = '<new onion address>'

/**
 * Looks at everything that could make the setup fail, and lists what it will do.
 *
 * @throws AppError
 */
export async function planSetup(request: SetupRequest, options: PlanOptions): Promise<SetupPlan> {
  const { mode, adoption } = request
  const { places } = options.tools
  const ini = await readIni(places.ini)
  await refuseOtherMode(request, places.keyFile)
  if (request.external && modeOfIni(ini.text) === 'external') {
    refuseOtherTor(request.external, iniValue(ini.text, 'TOR', 'control'))
  }
  const place = placeOf(request, options.tools)
  const key = await keyToUse(request, place, places.keyFile)
  requireSameOnion(ini.text, key?.hostname)
  if (key) await requireType(request, key, places.keyFile)
  const extra = request.torrcExtra === undefined ? undefined : await readTorrcExtra(request.torrcExtra)
  if (extra) refuseBridges(extra, request.service.type)
  const context: PlanContext = {
    request,
    options,
    uid: ini.uid,
    extra,
    key: key ?? generateOnionKey(),
    from: adoption?.service.directory ?? request.importKey?.path,
  }
  const { steps, joins, publication, verify } =
    mode === 'own' || mode === 'external' ? await planByRelay(context) : await planSystem(context, place)
  const hostname = key === undefined && options.isPreview ? NEW_ADDRESS : context.key.hostname
  const editor = editIni(ini.text, hostname, { ...request.ini, ...iniMode(request), service: request.service })
  const record = { hostname, serviceType: request.service.type, ...recordMode(request) }
  return {
    steps: [
      ...(await installSteps(options)),
      // Before the key: a key without a record could be served with the wrong service type.
      await recordStep(places.keyFile, record, options.tools),
      ...steps,
      iniStep(places.ini, ini, editor, options.tools),
    ],
    hostname,
    hosts: iniHosts(editor.text).hosts,
    joins,
    verify,
    publication,
  }
}

interface PlanContext {
  readonly request: SetupRequest
  readonly options: PlanOptions
  /** Who owns the INI file; the relay runs as this user. */
  readonly uid: number
  readonly extra: TorrcExtra | undefined
  readonly key: OnionKey
  /** Where the key comes from, unless it is new. */
  readonly from: string | undefined
}

type ModePlan = Pick<SetupPlan, 'joins' | 'publication' | 'verify'> & { readonly steps: readonly Step[] }

/** The relay itself brings the service into its tor, so there is a key to put in place, and nothing to start. */
async function planByRelay({ request, options, extra, key, from }: PlanContext): Promise<ModePlan> {
  const { tools, relay, binary } = options
  const { service, adoption, ini, external, ports } = request
  const { socksPort } = ini
  return {
    steps: [
      await keyStep({ keyFile: tools.places.keyFile, key, from }, tools),
      ...(adoption ? [adoptionStep(adoption, tools)] : []),
    ],
    joins: undefined,
    verify: () =>
      external
        ? verifyTor(external, service, ports)
        : verifyOwnTorrc({ extra, serviceType: service.type, socksPort, binary }),
    publication: (progress, timeouts, signal) => publicationByRelay(relay, key.hostname, progress, timeouts, signal),
  }
}

async function planSystem(context: PlanContext, place: TorPlace): Promise<ModePlan> {
  const { request, options, uid, extra, key, from } = context
  const { tools } = options
  const { mode, adoption } = request
  if (mode === 'torrc' && adoption) return await planStaying(adoption, place, key, tools)
  const torrc = await torrcStep({ place, wanted: await wantedTorrc(request, place, extra), extra }, tools)
  const joins = mode === 'system' ? await missingMember(place, uid, tools.run) : undefined
  const wasActive = await tools.services.isActive(place.unit)
  const serviceKey = mode === 'torrc' ? await serviceKeyStep(place, key, from, tools) : undefined
  const isChanged = !torrc.isDone || serviceKey?.isDone === false
  const carrier = [
    ...(place.mainTorrc === undefined ? [await instanceStep(place, tools)] : []),
    ...(serviceKey ? [serviceKey] : []),
    torrc,
    ...(joins === undefined ? [] : [memberStep(place, joins, tools)]),
  ]
  const unit = { place, wasActive, isChanged }
  const verify = (): Promise<void> => Promise.resolve()
  if (mode === 'torrc') {
    const ready = (): Promise<void> => serviceReady(place, key, tools)
    return {
      steps: [...carrier, unitStep({ ...unit, ready }, tools)],
      joins,
      verify,
      publication: (progress, timeouts) => publicationInTor(place.control, key, progress, timeouts),
    }
  }
  const { places } = tools
  const isServed = wasActive && !isChanged && (await isServing(place, key))
  let served: ServedBySystem | undefined
  const ready = async (): Promise<void> => (await connectSoon(place.control)).close()
  const service = {
    key,
    keyFile: places.keyFile,
    portsFile: places.portsFile,
    ports: request.ports,
    config: request.service,
  }
  return {
    steps: [
      ...carrier,
      await keyStep({ keyFile: places.keyFile, key, from }, tools),
      ...(adoption ? [adoptionStep(adoption, tools)] : []),
      unitStep({ ...unit, ready }, tools),
      serviceStep({ place, isDone: isServed, service, onAdded: (added) => (served = added) }, tools),
    ],
    joins,
    verify,
    publication: (progress, timeouts) => publicationInTor(place.control, key, progress, timeouts, served),
  }
}

/** A service that stays in its torrc: the relay only learns its address. */
async function planStaying(
  { service }: Adoption,
  place: TorPlace,
  key: OnionKey,
  tools: RevertTools,
): Promise<ModePlan> {
  const wasActive = await tools.services.isActive(place.unit)
  const ready = (): Promise<void> => serviceReady({ ...place, serviceDirectory: service.directory }, key, tools)
  return {
    steps: [unitStep({ place, wasActive, isChanged: false, ready }, tools)],
    joins: undefined,
    verify: () => Promise.resolve(),
    publication: async (progress, timeouts) => {
      try {
        return await publicationInTor(place.control, key, progress, timeouts)
      } catch (error) {
        // Its tor may be one that cannot be asked.
        if (!(error instanceof AppError)) throw error
        progress.left(`Cannot tell whether it is published: ${error.message}`)
        return { published: false, why: 'its tor cannot be asked' }
      }
    },
  }
}

async function serviceReady(
  { serviceDirectory, unit }: TorPlace,
  key: OnionKey,
  { services }: RevertTools,
): Promise<void> {
  const hostname = await awaitHostname(serviceDirectory, unit, async () => await services.restart(unit))
  if (hostname === key.hostname) return
  const message = `${unit} has the onion address ${hostname}, and not ${key.hostname}.`
  throw new AppError('ONION_MISMATCH', message, `Find out who changed ${serviceDirectory}.`)
}

async function isServing({ control: endpoint }: TorPlace, key: OnionKey): Promise<boolean> {
  const control = await TorControl.connect({ endpoint }).catch(() => undefined)
  try {
    return (await control?.onions())?.includes(key.serviceId) ?? false
  } finally {
    control?.close()
  }
}

async function wantedTorrc(
  { mode, service, ini, ports }: SetupRequest,
  { serviceDirectory: directory }: TorPlace,
  extra: TorrcExtra | undefined,
): Promise<string> {
  const managed = mode === 'torrc' ? { directory, ports } : undefined
  const { socksPort, introDefence } = ini
  return await instanceTorrc({ service, socksPort, managed, introDefence }, extra)
}

function placeOf({ mode, instance, adoption }: SetupRequest, { places }: RevertTools): TorPlace {
  const at = places.torPlace ?? torPlace
  if (mode !== 'torrc' || !adoption) return at(instance)
  const { torrc, directory } = adoption.service
  return { ...at(instanceOf(torrc) ?? instance), serviceDirectory: directory }
}

async function installSteps({ installation, runLong, tools }: PlanOptions): Promise<Step[]> {
  if (!installation) return []
  const present = await readFile(sourcesFile(), 'utf8').catch(() => undefined)
  return [installStep(installation, present, runLong ?? tools.run)]
}

function iniMode(request: SetupRequest): Pick<IniOptions, 'mode' | 'instance' | 'external' | 'torrcExtra'> {
  const { mode, external, torrcExtra } = request
  return { mode, external, torrcExtra, instance: instanceWith(request) }
}

function recordMode(request: SetupRequest): { mode: TorMode; instance?: string } {
  const instance = instanceWith(request)
  return { mode: request.mode, ...(instance !== undefined && { instance }) }
}

/** Only tors of the system are instances. */
function instanceWith({ mode, instance }: SetupRequest): string | undefined {
  return mode === 'own' || mode === 'external' ? undefined : instance
}

/**
 * The key that is there, or the one that is brought; `undefined`: a new one.
 *
 * @throws AppError `ONION_KEY_OTHER`, `MANAGED_HAS_KEY`
 */
async function keyToUse(
  { mode, adoption, importKey }: SetupRequest,
  place: TorPlace,
  keyFile: string,
): Promise<OnionKey | undefined> {
  const present = await readOnionKey(keyFile)
  if (mode === 'torrc' && present) {
    const message = `The relay itself keeps the key of ${present.hostname}, in ${keyFile}.`
    throw new AppError('MANAGED_HAS_KEY', message, 'Run `smp-server tor remove --keep-key` first.')
  }
  const kept = mode === 'torrc' ? await directoryKey(place.serviceDirectory) : present
  const brought = adoption?.key ?? importKey?.key
  if (!brought || !kept || brought.serviceId === kept.serviceId) return kept ?? brought
  const where = mode === 'torrc' ? place.serviceDirectory : keyFile
  const message = `${where} holds another key, that of ${kept.hostname}.`
  throw new AppError('ONION_KEY_OTHER', message, 'Run `smp-server tor remove --keep-key` first.')
}

/** @throws AppError `ONION_KEY_ANONYMOUS`, `ONION_KEY_SINGLE_HOP` */
async function requireType({ adoption, service }: SetupRequest, key: OnionKey, keyFile: string): Promise<void> {
  const used =
    adoption?.service.type ??
    (await readServiceType(keyFile, key)) ??
    (await serviceWithKey(key, keyFile, await usualTorrcs()))?.type
  requireServiceType(used, service.type, adoption?.service.directory ?? keyFile)
}

/**
 * A service that a tor of the system carries would stay there, and two tors would publish one address.
 *
 * @throws AppError `TOR_MODE_OTHER`
 */
async function refuseOtherMode({ mode, instance }: SetupRequest, keyFile: string): Promise<void> {
  const record = await readOnionRecord(keyFile)
  if (record?.mode === undefined || record.mode === 'own') return
  if (record.mode === mode && (record.instance ?? instance) === instance) return
  const where = record.instance === undefined ? '' : ` (tor@${record.instance})`
  const message = `The onion service was set up in mode ${record.mode}${where}.`
  const remedy =
    'Run `smp-server tor remove --keep-key`, then `smp-server tor setup --import-key FILE` with the key it names.'
  throw new AppError('TOR_MODE_OTHER', message, remedy)
}

/** No public name or address is among the hosts: clients without Tor cannot reach the relay. */
export function isOnionOnly(hosts: readonly string[]): boolean {
  return hosts.every(isOnion)
}
