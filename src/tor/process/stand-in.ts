import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { privateStdio } from '../../system/private-stdio.ts'

/** tor asks every 15 s whether its owner still runs, so it ends within a minute of the relay. */
const AFTER_S = 40

/** Waits until the relay is gone, whatever ended it: then its end of the pipe is closed. */
const PROGRAM = 'read -r _; exec sleep "$1"'

/**
 * The owner of a tor that survives its relay (`__OwningControllerProcess`): a process that ends some time after the relay.
 * A relay that starts meanwhile gives that tor a stand-in of its own.
 */
export class StandIn {
  readonly pid: number
  /** Resolves when it has ended although nobody told it to. */
  readonly lost: Promise<void>
  readonly #child: ChildProcess
  #isWanted = true

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child
    this.pid = pid
    this.lost = new Promise((resolve) =>
      child.once('close', () => {
        if (this.#isWanted) resolve()
      }),
    )
  }

  /** @param afterS how many seconds it outlives this process */
  static async start(afterS = AFTER_S): Promise<StandIn> {
    const stdio = await privateStdio(['pipe', 'ignore', 'ignore'])
    return await new Promise((resolve, reject) => {
      // A session of its own: what is typed at the relay's terminal is not for this process.
      const args = ['-c', PROGRAM, 'smp-server-keep-tor', String(afterS)]
      const child = spawn('/bin/sh', args, { stdio, detached: true, cwd: '/' })
      child.once('error', reject).once('spawn', () => {
        child.unref()
        if (child.stdin instanceof Socket) child.stdin.on('error', () => undefined).unref()
        resolve(new StandIn(child, child.pid ?? 0))
      })
    })
  }

  /** Ends it now. */
  end(): void {
    this.#isWanted = false
    this.#child.kill('SIGKILL')
  }
}
