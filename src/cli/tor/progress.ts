import { log, spinner } from '@clack/prompts'
import { print } from '../output.ts'
import type { SetupProgress } from '../../tor/index.ts'

export interface ShownProgress extends SetupProgress {
  /** Ends what is being shown, because the setup failed; the failure itself is printed elsewhere. */
  interrupt(): void
}

/** Steps that turn while they last, for a terminal. */
export function terminalProgress(): ShownProgress {
  let turning: ReturnType<typeof spinner> | undefined
  const end = (show: (current: ReturnType<typeof spinner> | undefined) => void): void => {
    show(turning)
    turning = undefined
  }
  return {
    begin: (_step, text) => {
      turning?.clear()
      turning = spinner()
      turning.start(text)
    },
    update: (_step, text, percent) => turning?.message(percent === undefined ? text : `${percent} % ${text}`),
    done: (_step, text) => end((current) => (current ? current.stop(text) : log.success(text))),
    left: (_step, text) => end((current) => (current ? current.error(text) : log.warn(text))),
    interrupt: () => end((current) => current?.error('Failed')),
  }
}

/** One line per step, and a few on long ways, for logs and pipes. */
export function lineProgress(): ShownProgress {
  const stride = 25
  let shown = 0
  return {
    begin: (_step, text) => {
      shown = 0
      print(`${text} …`)
    },
    update: (_step, text, percent) => {
      if (percent === undefined || percent < shown + stride) return
      shown = percent
      print(`  ${percent} % ${text}`)
    },
    done: (_step, text) => print(`  ${text}`),
    left: (_step, text) => print(`  ${text}`),
    interrupt: () => undefined,
  }
}
