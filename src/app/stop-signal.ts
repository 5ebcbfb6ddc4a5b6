/** Why a running relay ends: a signal, or an error that nobody caught. */
export type StopReason = NodeJS.Signals | Error

export interface StopSignal {
  readonly received: Promise<StopReason>
  /** Lets errors that nobody catches end the process at once again. */
  forgetErrors(): void
}

/**
 * Resolves at the first signal to stop. Later signals are ignored up to the end of the process, so that nothing
 * interrupts the saving.
 *
 * @param onReload what SIGHUP asks for outside of a terminal; without it SIGHUP is the end of the terminal, which stops the relay
 */
export function catchStopSignal(onReload?: () => void): StopSignal {
  let resolveReceived: (reason: StopReason) => void
  const received = new Promise<StopReason>((resolve) => {
    resolveReceived = resolve
  })
  const listener = (reason: StopReason): void => resolveReceived(reason)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, listener)
  process.on('SIGHUP', onReload ?? listener)
  process.on('uncaughtException', listener)
  return { received, forgetErrors: () => process.off('uncaughtException', listener) }
}
