import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import type { ControlEndpoint } from '../control/endpoint.ts'
import { TorControl } from '../control/tor-control.ts'
import type { OnionMode } from '../onion/record.ts'
import { requireTorMode } from '../onion/service.ts'
import { OwnTor } from './own-tor.ts'
import { readTorrcExtra } from './torrc.ts'

/** Which tor carries the onion service. */
export type TorForm =
  | {
      readonly mode: 'own'
      /** tor's data directory. */
      readonly directory: string
      readonly binary?: string | undefined
      /** A file with the operator's own torrc lines; read again at every start of tor. */
      readonly torrcExtra?: string | undefined
      /** Single-hop when absent. */
      readonly service?: OnionMode | undefined
      /** Of an anonymous tor, on 127.0.0.1. */
      readonly socksPort?: number | undefined
    }
  | {
      readonly mode: 'system'
      readonly control: ControlEndpoint
      readonly password?: string | undefined
      readonly service?: OnionMode | undefined
    }

/** A tor that can be given an onion service, whichever form it has. */
export interface TorSession {
  readonly control: TorControl
  /** Of the own tor. */
  readonly pid?: number
  /** Resolves, never rejects, when this tor cannot be used any more. */
  readonly ended: Promise<AppError>
  /** Lets the own tor connect; the system's tor does so anyway. */
  enableNetwork(): Promise<void>
  /** Mends what others need to log in to the own tor, and tells whether something was wrong; see `OwnTor.mendControl`. */
  mendControl(): Promise<boolean>
  /** The operator's lines decide whether this tor may connect, and enableNetwork leaves it to them. */
  readonly networkDecided: boolean
  /** Ends the own tor, or the connection to the system's. */
  end(): Promise<void>
}

/**
 * Starts the own tor or connects to the system's.
 *
 * @throws AppError as of `OwnTor.start`, `TorControl.connect` and `requireTorMode`
 */
export async function openTorSession(form: TorForm, log: Logger): Promise<TorSession> {
  if (form.mode === 'system') return await systemSession(form.control, form.password, form.service)
  const extra = form.torrcExtra === undefined ? undefined : await readTorrcExtra(form.torrcExtra)
  const { directory, binary, service, socksPort } = form
  const template = service === 'anonymous' ? 'own-anonymous' : 'own'
  const tor = await OwnTor.start({ directory, binary, extra, template, socksPort, log })
  const exited = tor.exited.then((reason) => new AppError('TOR_ENDED', `tor ended: ${reason}.`))
  // A killed tor closes the connection before its exit is known, and the exit says more.
  const closed = tor.control.closed.then((reason) => Promise.race([exited, after(500, reason)]))
  return {
    control: tor.control,
    pid: tor.pid,
    networkDecided: tor.networkDecided,
    ended: Promise.race([exited, closed]),
    enableNetwork: () => tor.enableNetwork(),
    mendControl: () => tor.mendControl(),
    end: () => tor.stop(),
  }
}

async function systemSession(
  endpoint: ControlEndpoint,
  password: string | undefined,
  service: OnionMode = 'single-hop',
): Promise<TorSession> {
  const control = await TorControl.connect({ endpoint, password })
  try {
    await requireTorMode(control, service)
  } catch (error) {
    control.close()
    throw error
  }
  return {
    control,
    networkDecided: false,
    ended: control.closed,
    enableNetwork: () => Promise.resolve(),
    mendControl: () => Promise.resolve(false),
    end: () => {
      control.close()
      return Promise.resolve()
    },
  }
}

function after<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), ms).unref())
}
