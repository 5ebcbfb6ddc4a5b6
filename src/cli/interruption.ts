import { Refusal } from '../errors/refusal.ts'

/** Runs work that has to clean up when it is interrupted, for example with Ctrl-C. */
export async function interruptible<T>(
  run: (signal: AbortSignal) => Promise<T>,
  message = 'Interrupted. Nothing was changed.',
): Promise<T> {
  const abort = new AbortController()
  const end = (): void => abort.abort(new Refusal(message))
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  try {
    return await run(abort.signal)
  } finally {
    for (const signal of signals) process.off(signal, end)
  }
}
