import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { ServiceType } from '../onion/service-config.ts'
import type { OnionHost } from '../onion/configured-onions.ts'
import { requireTorType } from '../onion/service.ts'
import { type ControlAccess, connectControl } from './control-access.ts'
import { connectOwnTor, OwnTor } from './own-tor.ts'
import { templateFor } from './own-torrc.ts'
import { readTorrcExtra, refuseBridges } from './torrc-extra.ts'

/** The tor that carries the onion service, and how to get it. */
export type TorConfig =
  | {
      readonly mode: 'own'
      /** tor's data directory. */
      readonly directory: string
      readonly binary?: string | undefined
      /** A file with the operator's own torrc lines; read again at every start of tor. */
      readonly torrcExtra?: string | undefined
      /** Single-hop when absent. */
      readonly serviceType?: ServiceType | undefined
      /** Of an anonymous tor, on 127.0.0.1. */
      readonly socksPort?: number | undefined
      /** Its services tell the relay through which circuit a client comes. */
      readonly withCircuits?: boolean | undefined
      /** It goes on for a while when the relay ends, and the next relay adopts it. */
      readonly keep?: boolean | undefined
    }
  | SharedTor

/** A tor that the relay does not start: an instance of the system, or one elsewhere. */
export interface SharedTor extends ControlAccess {
  readonly mode: 'system' | 'external'
  readonly serviceType?: ServiceType | undefined
}

/** A tor that can be given an onion service, whoever runs it. */
export interface TorSession {
  readonly control: TorControl
  /** What the services of the relay are added to. */
  readonly onions: OnionHost
  /** Of the own tor. */
  readonly pid?: number
  /** Resolves, never rejects, when this tor cannot be used any more. */
  readonly ended: Promise<AppError>
  /** Lets an own tor connect; a tor of the system is connected anyway. */
  enableNetwork(): Promise<void>
  /** Repairs what others need to log in to an own tor; resolves to whether something was wrong, see `OwnTor.repairControl`. */
  repairControl(): Promise<boolean>
  /** The operator's lines decide whether this tor connects; enableNetwork leaves it to them. */
  readonly networkDecided: boolean
  /** Ends an own tor, or the connection to a tor of the system. */
  end(): Promise<void>
  /** The same when the relay ends: an own tor may be kept for the next one. */
  leave(): Promise<void>
}

/** From the end of a connection to the exit of its tor, when that is why. */
const EXIT_SOON_MS = 2000

/**
 * Starts an own tor, or connects to a tor of the system.
 *
 * @throws AppError whatever `OwnTor.start`, `TorControl.connect` and `requireTorType` throw
 */
export async function openTorSession(config: TorConfig, log: Logger, signal?: AbortSignal): Promise<TorSession> {
  if (config.mode !== 'own') return await sharedSession(config, signal)
  const extra = config.torrcExtra === undefined ? undefined : await readTorrcExtra(config.torrcExtra)
  const { directory, binary, serviceType = 'single-hop', socksPort, withCircuits, keep } = config
  if (extra) refuseBridges(extra, serviceType)
  const template = templateFor(serviceType)
  const tor = await OwnTor.start({ directory, binary, extra, template, socksPort, withCircuits, keep, log, signal })
  try {
    await requireTorType(tor.control, serviceType)
  } catch (error) {
    await tor.stop()
    throw error
  }
  const exited = tor.exited.then((reason) => new AppError('TOR_ENDED', `tor exited: ${reason}.`))
  // A killed tor closes the connection before its exit is known, and the exit says more.
  const closed = tor.control.closed.then((reason) => Promise.race([exited, after(EXIT_SOON_MS, reason)]))
  return {
    control: tor.control,
    onions: tor.onions,
    pid: tor.pid,
    networkDecided: tor.networkDecided,
    ended: Promise.race([exited, closed]),
    enableNetwork: () => tor.enableNetwork(),
    repairControl: () => tor.repairControl(),
    end: () => tor.stop(),
    leave: () => tor.leave(),
  }
}

async function sharedSession(config: SharedTor, signal: AbortSignal | undefined): Promise<TorSession> {
  const { mode, serviceType = 'single-hop' } = config
  const control = await connectControl(config, signal)
  try {
    await requireTorType(control, serviceType, mode === 'external')
  } catch (error) {
    control.close()
    throw error
  }
  const end = (): Promise<void> => {
    control.close()
    return Promise.resolve()
  }
  return {
    control,
    onions: control,
    networkDecided: false,
    ended: control.closed,
    enableNetwork: () => Promise.resolve(),
    repairControl: () => Promise.resolve(false),
    end,
    leave: end,
  }
}

/**
 * Connects to the tor of this config if it runs; starts none.
 *
 * @throws AppError whatever `TorControl.connect` throws, except that there is no tor
 */
export async function connectRunningTor(config: TorConfig): Promise<TorControl | undefined> {
  if (config.mode === 'own') return await connectOwnTor(config.directory)
  try {
    return await connectControl(config)
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOR_CONTROL_ABSENT') return undefined
    throw error
  }
}

function after<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), ms).unref())
}
