import { Refusal } from '../errors/refusal.ts'

/** Runs what has to tidy up after itself when it is told to end, for example with Ctrl-C. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const end = (): void => abort.abort(new Refusal('Interrupted; nothing was written.'))
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  try {
    return await run(abort.signal)
  } finally {
    for (const signal of signals) process.off(signal, end)
  }
}
