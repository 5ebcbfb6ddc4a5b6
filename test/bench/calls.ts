/** Functions that another process may call: one argument and one result, both of which can be cloned. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>

export interface CallMessage {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

export interface ResultMessage {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** Answers the calls of the process that forked this one, and ends with it. */
export const serveCalls = (calls: Calls): void => {
  const answer = (message: ResultMessage): void => {
    // The other process may be gone by now, and needs no answer then.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
  }
  const perform = async ({ id, name, argument }: CallMessage): Promise<void> => {
    try {
      const call = calls[name]
      if (!call) throw new Error(`there is no ${name} in this process`)
      answer({ id, result: await call(argument as never) })
    } catch (error) {
      answer({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  }
  process.on('message', (message: CallMessage) => void perform(message))
  process.on('disconnect', () => process.exit())
  // Ctrl-C reaches every process of the terminal; the benchmark itself ends the others.
  process.on('SIGINT', () => undefined)
}
