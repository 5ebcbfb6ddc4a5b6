import { mkdir, readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { type PublicationOutcome, PublicationWatch } from '../onion/await-publication.ts'
import type { ControlEndpoint } from '../control/endpoint.ts'
import { writeDurably } from '../../system/durable-file.ts'
import type { HiddenService } from '../process/hidden-services.ts'
import { instanceTorrc } from '../process/instance-torrc.ts'
import { awaitHostname, managedHostname, placeManagedKey } from '../onion/managed-service.ts'
import { type OnionHostname, parseServiceId } from '../../crypto/onion-address.ts'
import { readOnionKey } from '../onion/key.ts'
import {
  connectSoon,
  defaultTimeouts,
  publicationSteps,
  Setup,
  type SetupProgress,
  type SetupResult,
  type SystemSetupOptions,
} from './setup.ts'
import {
  createInstance,
  instanceDefaults,
  instanceExists,
  instancePaths,
  missingParents,
  verifyTorrcText,
} from '../process/system-instance.ts'
import { includeLines, instanceOf } from './take-service-out.ts'
import { managedMark, readTorrcExtra, torrcRefused } from '../process/torrc.ts'
import { withIncluded } from '../process/torrc-lines.ts'

/*
 * The form in which the service stands in a torrc and tor keeps its key: the relay's user gets no access to that tor,
 * and cannot heal the service either.
 */

/** Where the torrc and the service of an instance are. */
export interface ManagedPlace {
  readonly unit: string
  /** The file that smp-server writes. */
  readonly torrc: string
  /** The torrc that includes it; absent where it is the whole. */
  readonly mainTorrc?: string
  readonly directory: string
  /** A directory that belongs to tor's user. */
  readonly dataDirectory: string
  readonly control: ControlEndpoint
}

export interface ManagedSetupOptions extends SystemSetupOptions {
  /** The place of the instance, unless it is another one. */
  readonly place?: ManagedPlace | undefined
  /** The defaults that the unit gives its tor, unless they are others. */
  readonly defaults?: string | undefined
}

/** `default` is the machine's own tor, which gets the service by an included file. */
export function managedPlace(instance: string): ManagedPlace {
  if (instance === 'default') {
    return {
      unit: 'tor@default',
      torrc: '/etc/tor/torrc.d/smp-server.conf',
      mainTorrc: '/etc/tor/torrc',
      directory: '/var/lib/tor/simplex-smp',
      dataDirectory: '/var/lib/tor',
      control: { type: 'unix', path: '/run/tor/control' },
    }
  }
  const { unit, torrc, control } = instancePaths(instance)
  const dataDirectory = `/var/lib/tor-instances/${instance}`
  return { unit, torrc, control, dataDirectory, directory: `${dataDirectory}/simplex-smp` }
}

/** The main torrc with the include, behind what is there. */
export function withInclude(text: string, file: string): string {
  const lines = includeLines(file)
  return text.includes(lines) ? text : `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lines}`
}

/**
 * @throws AppError `NEEDS_ROOT`, `MANAGED_HAS_KEY`, `TORRC_FOREIGN`, `TORRC_REFUSED`, and as of `awaitHostname`
 */
export async function setupManagedTor(options: ManagedSetupOptions, progress: SetupProgress): Promise<SetupResult> {
  const { services, run, keyFile, importKey, adoption } = options
  if (process.geteuid?.() !== 0) {
    throw new AppError('NEEDS_ROOT', 'Only root can change a torrc of the system.', 'Run it with sudo, or use --own.')
  }
  const name = adoption ? (instanceOf(adoption.service.torrc) ?? options.instance) : options.instance
  const own = options.place ?? managedPlace(name)
  const place = adoption ? adoptedPlace(own, adoption.service) : own
  await refuseKeptKey(keyFile)
  const known = (await managedHostname(place.directory)) ?? (importKey ?? adoption?.key)?.hostname
  const begun = { ...options, importKey: undefined, adoption: undefined, managedHostname: known }
  const setup = await Setup.begin(begun, progress, { places: options, run, services })
  progress.begin('tor', `Preparing ${place.unit}`)
  return await setup.orTakeBack(async () => {
    const wasActive = await services.isActive(place.unit)
    const changed = adoption ? false : await writeManaged(setup, options, place, wasActive)
    if (!wasActive) {
      await setup.record({ type: 'unit', name, was: 'stopped' })
      await services.enable(place.unit)
    } else if (changed) await services.restart(place.unit)
    const restart = async (): Promise<void> => await services.restart(place.unit)
    const hostname = await awaitHostname(place.directory, place.unit, restart)
    progress.done('tor', `${place.unit} has the onion service ${hostname}`)
    const hosts = await setup.writeIni(hostname, { mode: 'torrc', instance: name })
    const publication = await awaitPublication(hostname, place, options, progress).catch((error: unknown) => {
      // A service that was set up by hand may be with a tor that nobody else can ask.
      if (!adoption || !(error instanceof AppError)) throw error
      progress.left('bootstrap', `Whether it is published cannot be seen from here: ${error.message}`)
      return { published: false, why: 'its tor cannot be asked' } as const
    })
    return setup.result(hostname, hosts, publication, false)
  })
}

/** Of a service that stays where it is. */
function adoptedPlace(place: ManagedPlace, { torrc, directory }: HiddenService): ManagedPlace {
  return { ...place, torrc, directory: resolve(directory) }
}

async function refuseKeptKey(keyFile: string): Promise<void> {
  const kept = await readOnionKey(keyFile)
  if (!kept) return
  const message = `The relay keeps the key of ${kept.hostname} itself, in ${keyFile}.`
  const remedy = 'Leave --torrc-managed out, or run `smp-server tor remove` first.'
  throw new AppError('MANAGED_HAS_KEY', message, remedy)
}

/** @returns whether tor has to be restarted */
async function writeManaged(
  setup: Setup,
  options: ManagedSetupOptions,
  place: ManagedPlace,
  wasActive: boolean,
): Promise<boolean> {
  const { instance: name, run, ports, importKey } = options
  const extra = setup.torrcExtra === undefined ? undefined : await readTorrcExtra(setup.torrcExtra)
  if (!options.place && name !== 'default') {
    if (!(await instanceExists(name, run))) await setup.record({ type: 'instance', name, parents: missingParents() })
    await createInstance(name, run)
  }
  const managed = { directory: place.directory, ports }
  const { socksPort, introDefence } = options.wishes ?? {}
  const wanted = await instanceTorrc({ shape: setup.shape, socksPort, managed, introDefence }, extra)
  const present = await readFile(place.torrc, 'utf8').catch(() => undefined)
  requireOurs(place.torrc, present)
  const main = place.mainTorrc === undefined ? undefined : await readFile(place.mainTorrc, 'utf8').catch(() => '')
  const mainWanted = main === undefined ? undefined : withInclude(main, place.torrc)
  const placed = importKey ? await placeManagedKey(place.directory, importKey, place.dataDirectory) : false
  const isSame = present === wanted && main === mainWanted
  if (isSame && wasActive) return placed
  const candidate = main === undefined ? wanted : await withIncluded(main, resolve(place.torrc), wanted)
  const reason = await verifyTorrcText(candidate, options.defaults ?? (await instanceDefaults(name)), run)
  if (reason !== undefined) throw torrcRefused(`the torrc for ${name}`, reason, remedyFor(reason, place))
  if (isSame) return placed
  if (wasActive) await setup.record({ type: 'unit', name, was: 'running' })
  await setup.record({ type: 'included', torrc: place.mainTorrc ?? null, file: place.torrc, before: present ?? null })
  await mkdir(dirname(place.torrc), { recursive: true })
  await writeDurably(place.torrc, wanted, { mode: 0o644, ifExists: 'replace' })
  setup.changes.push(place.torrc)
  if (place.mainTorrc !== undefined && mainWanted !== undefined && main !== mainWanted) {
    await writeDurably(place.mainTorrc, mainWanted, { mode: 0o644, ifExists: 'replace' })
    setup.changes.push(place.mainTorrc)
  }
  return true
}

function requireOurs(path: string, present: string | undefined): void {
  const lines = (present ?? '').split('\n').filter((line) => !/^\s*(?:#|$|\+SocksPort auto$)/.test(line))
  if (lines.length === 0 || present?.includes(managedMark)) return
  const remedy = 'Choose another name with --instance, or move that file away.'
  throw new AppError('TORRC_FOREIGN', `${path} holds settings that smp-server did not write.`, remedy)
}

function remedyFor(reason: string, { directory, dataDirectory }: ManagedPlace): string {
  if (/not owned by|too permissive|cannot be read/.test(reason)) {
    return `Give it back to tor: chown -R --reference ${dataDirectory} ${directory} && chmod 700 ${directory}`
  }
  if (/SocksPort|Socks\/Trans/i.test(reason)) {
    return 'A tor with a SOCKS port cannot run in single-hop mode: choose an instance of its own with --instance smp.'
  }
  return 'Correct the torrc, or choose an instance of its own with --instance smp.'
}

async function awaitPublication(
  hostname: OnionHostname,
  { control: endpoint }: ManagedPlace,
  { patience = defaultTimeouts }: ManagedSetupOptions,
  progress: SetupProgress,
): Promise<PublicationOutcome> {
  const serviceId = parseServiceId(hostname.replace(/\.onion$/, ''))
  if (!serviceId) throw new TypeError('an onion name holds a service id')
  progress.begin('bootstrap', 'Connecting to the Tor network')
  const control = await connectSoon(endpoint)
  try {
    const watch = await PublicationWatch.open(control)
    const outcome = await watch.published({ key: { serviceId }, wasThere: true }, patience, publicationSteps(progress))
    if (outcome.published) progress.done('publication', 'The Tor network has the descriptor')
    else progress.left('publication', `Not published yet: ${outcome.why}`)
    return outcome
  } finally {
    control.close()
  }
}
