import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CallMessage, Calls, ResultMessage } from './calls.ts'

const running = new Set<ChildProcess>()

/** Ends every process that is still there, at once. */
export const endChildren = (): void => {
  for (const child of running) child.kill('SIGKILL')
}

/** Another process of the benchmark, which serves the calls `C`. */
export class Child<C extends Calls> {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  #calls = 0

  /** @param program name of a file of this folder, without its ending */
  constructor(program: string, nodeOptions: readonly string[] = []) {
    const path = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
    this.#process = fork(path, { execArgv: [...nodeOptions], serialization: 'advanced' })
    this.pid = this.#process.pid ?? 0
    running.add(this.#process)
    this.#process.on('message', (message: ResultMessage) => this.#settle(message))
    this.#process.on('exit', (code, signal) => {
      running.delete(this.#process)
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the ${program} ended (${signal ?? code ?? 'unknown'})`))
      this.#waiting.clear()
    })
  }

  call<Name extends keyof C & string>(name: Name, ...args: Parameters<C[Name]>): Promise<Awaited<ReturnType<C[Name]>>> {
    const id = ++this.#calls
    const message: CallMessage = { id, name, argument: args[0] }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as Awaited<ReturnType<C[Name]>>), reject })
      this.#process.send(message)
    })
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 3000)
    this.#process.disconnect()
    await ended
    clearTimeout(timer)
  }

  #settle({ id, result, error }: ResultMessage): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error))
  }
}
