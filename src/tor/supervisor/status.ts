import { stat } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import type { BootstrapPhase } from '../control/events.ts'
import { TorControl } from '../control/tor-control.ts'
import { readKeptKeys } from '../onion/sync-keys.ts'
import type { OnionHostname, ServiceId } from '../../crypto/onion-address.ts'
import { readOnionKey } from '../onion/key.ts'
import { connectOwnTor } from '../process/own-tor.ts'
import type { TorForm } from '../process/session.ts'
import type { StatusRecord } from './status-file.ts'
import { isRunning } from '../../system/process-mark.ts'
import { readStatusFile } from './status-file.ts'

/*
 * Everything that can be learned about the onion service right now, each thing from who knows it: the key file, the
 * running tor, and the running relay.
 */

export interface Observed {
  readonly form: ObservedForm
  readonly keyFile: string
  /** `undefined`: there is none. */
  readonly key: ObservedKey | AppError | undefined
  /** The key that will take its place, during a rotation. */
  readonly next: OnionHostname | undefined
  /** The onion names in `[TRANSPORT] host`, and so in the address. */
  readonly configured: readonly string[]
  /** `undefined`: no tor runs. */
  readonly tor: ObservedTor | AppError | undefined
  readonly relay: ObservedRelay
}

/** `torrc`: a tor to which the relay has no access. `undefined`: no onion service was set up. */
export type ObservedForm = TorForm | 'torrc' | undefined

export interface ObservedKey {
  readonly hostname: OnionHostname
  /** Permissions of its file. */
  readonly mode: number
}

export interface ObservedTor {
  readonly version: string
  readonly pid: number
  readonly singleHop: boolean
  readonly bootstrap: BootstrapPhase
  /** Whether tor has the service of this key. */
  readonly hasService: boolean
}

/** What the status file says; `record` is what the relay knew last, whether it runs or not. */
export interface ObservedRelay {
  readonly running: boolean
  readonly record?: StatusRecord
}

export interface ObserveOptions {
  readonly form: ObservedForm
  readonly keyFile: string
  readonly statusFile: string
  readonly configured: readonly string[]
}

/**
 * Looks at all of it; what cannot be seen is an `AppError` in its place.
 *
 * @throws the system's error when the status file may not be read
 */
export async function observeOnion({ form, keyFile, statusFile, configured }: ObserveOptions): Promise<Observed> {
  const key = await observeKey(keyFile)
  const record = await readStatusFile(statusFile)
  const running = record !== undefined && record.state.phase !== 'stopped' && isRunning(record.relay)
  const tor =
    form && form !== 'torrc' ? await observeTor(form, key instanceof AppError ? undefined : key?.serviceId) : undefined
  const next = (await readKeptKeys(keyFile)).next?.hostname
  return { form, keyFile, key, next, configured, tor, relay: { running, ...(record && { record }) } }
}

async function observeKey(path: string): Promise<(ObservedKey & { serviceId: ServiceId }) | AppError | undefined> {
  try {
    const key = await readOnionKey(path)
    return key && { hostname: key.hostname, serviceId: key.serviceId, mode: (await stat(path)).mode & 0o777 }
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

async function observeTor(
  form: TorForm,
  serviceId: ServiceId | undefined,
): Promise<ObservedTor | AppError | undefined> {
  let control: TorControl | undefined
  try {
    control = form.mode === 'own' ? await connectOwnTor(form.directory) : await connectSystemTor(form)
    return control && (await askTor(control, serviceId))
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  } finally {
    control?.close()
  }
}

async function connectSystemTor(form: TorForm & { mode: 'system' }): Promise<TorControl> {
  return await TorControl.connect({ endpoint: form.control, password: form.password })
}

async function askTor(control: TorControl, serviceId: ServiceId | undefined): Promise<ObservedTor> {
  const options = ['HiddenServiceSingleHopMode', 'HiddenServiceNonAnonymousMode']
  const [conf, info, bootstrap, onions] = await Promise.all([
    control.getConf(...options),
    control.getInfo('process/pid'),
    control.bootstrapPhase(),
    control.onions(),
  ])
  return {
    version: control.version,
    pid: Number(info.get('process/pid')),
    singleHop: options.every((option) => conf.get(option.toLowerCase())?.[0] === '1'),
    bootstrap,
    hasService: serviceId !== undefined && onions.includes(serviceId),
  }
}
