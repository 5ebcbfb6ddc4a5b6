import { constants, copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import type { Logger } from '../../config/log.ts'
import type { Timeouts } from '../onion/await-publication.ts'
import { NO_NETWORK_REMEDY, stuckClause } from '../control/bootstrap.ts'
import { type ClockSkew, clockRemedy, clockSkew, skewClause } from '../control/clock-skew.ts'
import type { BootstrapPhase, StreamEvent } from '../control/events.ts'
import { OwnTor } from './own-tor.ts'
import { ownTorPaths } from './own-torrc.ts'
import { clientExtra, readTorrcExtra } from './torrc-extra.ts'

/*
 * An ordinary tor client that runs for as long as it is needed: the tor that carries the onion service cannot be one, and
 * would not see the service as others do.
 */

export interface ClientTorOptions {
  /** Data directory that is kept, so that the next client is ready sooner; a temporary one when absent. */
  readonly directory?: string | undefined
  /** Data directories to copy cached network documents from, the first that has any. */
  readonly caches?: readonly string[]
  readonly binary?: string | undefined
  /** A file with the operator's own torrc lines. */
  readonly torrcExtra?: string | undefined
  readonly log: Logger
  readonly timeouts?: Timeouts
  readonly signal?: AbortSignal | undefined
  readonly onBootstrap?: ((phase: BootstrapPhase) => void) | undefined
}

export interface ClientTor {
  /** Path of the SOCKS port, with ExtendedErrors. */
  readonly socksSocket: string
  readonly version: string
  /**
   * Whether an onion service was reached and refused a stream because nothing listens behind it. SOCKS has no reply for
   * that; it is the same as for a circuit that broke.
   */
  wasRefused(): Promise<boolean>
}

const defaultTimeouts: Timeouts = { stallMs: 45_000, totalMs: 180_000 }

/**
 * Starts a client, waits until it is connected to the Tor network, and ends it when `use` has ended.
 *
 * @throws AppError whatever `OwnTor.start` throws, and `TOR_CLIENT_OFFLINE`; the signal's reason when it is aborted
 */
export async function withClientTor<T>(options: ClientTorOptions, use: (client: ClientTor) => Promise<T>): Promise<T> {
  const { directory, caches = [] } = options
  if (directory !== undefined) {
    await mkdir(dirname(directory), { recursive: true, mode: 0o700 })
    return await runClient(directory, options, use)
  }
  const temporary = await mkdtemp(join(tmpdir(), 'smp-client-'))
  try {
    await copyCache(caches, temporary)
    return await runClient(temporary, options, use)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function runClient<T>(
  directory: string,
  options: ClientTorOptions,
  use: (client: ClientTor) => Promise<T>,
): Promise<T> {
  const { binary, torrcExtra, signal } = options
  const extra = torrcExtra === undefined ? undefined : clientExtra(await readTorrcExtra(torrcExtra))
  const log = atDebugLevel(options.log)
  const tor = await OwnTor.start({ directory, binary, extra, template: 'client', log, signal })
  const { control } = tor
  try {
    let phase = await control.bootstrapPhase()
    let skew: ClockSkew | undefined
    let refused = false
    control.onEvent((event) => {
      skew = clockSkew(event, phase) ?? skew
      if (event.type === 'stream') refused ||= isRefusal(event)
      if (event.type !== 'bootstrap') return
      phase = event
      options.onBootstrap?.(event)
    })
    await control.setEvents(['STATUS_CLIENT', 'STATUS_GENERAL', 'STREAM', 'WARN'])
    await tor.enableNetwork()
    const isOff = (await control.getConf('DisableNetwork')).get('disablenetwork')?.[0] === '1'
    if (isOff) throw switchedOff()
    await connected(() => ({ ...phase, skew }), tor, options)
    const aborted = abortion(signal)
    try {
      const client: ClientTor = {
        socksSocket: ownTorPaths(directory).socksSocket,
        version: control.version,
        wasRefused: async () => {
          await control.getInfo('version') // after its answer all earlier events have arrived
          return refused
        },
      }
      return await Promise.race([use(client), aborted.happened])
    } finally {
      aborted.forget()
    }
  } finally {
    await tor.stop()
  }
}

type Phase = BootstrapPhase & { readonly skew: ClockSkew | undefined }

/** Waits for the end of the bootstrap, as long as it makes progress. */
async function connected(phase: () => Phase, tor: OwnTor, options: ClientTorOptions): Promise<void> {
  const { stallMs, totalMs } = options.timeouts ?? defaultTimeouts
  const beganAt = performance.now()
  let progress = -1
  let progressAt = beganAt
  let ended: string | undefined
  void tor.exited.then((reason) => (ended = reason))
  while (phase().progress < 100) {
    options.signal?.throwIfAborted()
    if (ended !== undefined)
      throw new AppError('TOR_ENDED', `The tor client exited: ${ended}.`, 'Run the command again.')
    const now = performance.now()
    if (phase().progress > progress) {
      progress = phase().progress
      progressAt = now
    }
    if (now - progressAt > stallMs || now - beganAt > totalMs) {
      const { summary, warning, skew } = phase()
      if (skew !== undefined) throw offline(skewClause(skew), `Correct the clock: ${clockRemedy}`)
      throw offline(stuckClause({ progress, summary, warning }))
    }
    await sleep(50)
  }
}

function isRefusal({ target, reason, remoteReason }: StreamEvent): boolean {
  const isOnion = /\.onion:\d+$/.test(target)
  return isOnion && reason === 'END' && (remoteReason === 'MISC' || remoteReason === 'CONNECTREFUSED')
}

function switchedOff(): AppError {
  const message = 'The tor client cannot connect: a line in [TOR] torrc_extra disables the network.'
  return new AppError('TOR_CLIENT_OFFLINE', message, 'Remove DisableNetwork from that file.')
}

function offline(why: string, remedy = NO_NETWORK_REMEDY): AppError {
  const message = `The tor client cannot connect to the Tor network: ${why}.`
  return new AppError('TOR_CLIENT_OFFLINE', message, remedy)
}

/** A promise that only ever rejects. */
function abortion(signal: AbortSignal | undefined): { happened: Promise<never>; forget(): void } {
  let listener = (): void => undefined
  const happened = new Promise<never>((_, reject) => {
    listener = () => reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
    signal?.addEventListener('abort', listener, { once: true })
    if (signal?.aborted) listener()
  })
  happened.catch(() => undefined)
  return { happened, forget: () => signal?.removeEventListener('abort', listener) }
}

/** What is wrong with a client shows in the check that it was started for. */
function atDebugLevel(log: Logger): Logger {
  const debug = (message: string): void => log.debug(`client ${message}`)
  return { ...log, debug, info: debug, note: debug, warn: debug, error: debug }
}

/** Consensus, certificates and descriptors; without them a client first loads several megabytes. */
async function copyCache(from: readonly string[], to: string): Promise<void> {
  for (const directory of from) {
    const names = (await readdir(directory).catch(() => [])).filter((name) => name.startsWith('cached-'))
    if (names.length === 0) continue
    for (const name of names) {
      // What cannot be copied tor loads again.
      await copyFile(join(directory, name), join(to, name), constants.COPYFILE_FICLONE).catch(() => undefined)
    }
    return
  }
}
