import { log, spinner } from '@clack/prompts'
import { print } from '../output.ts'
import type { SetupProgress } from '../../tor/index.ts'

export interface ShownProgress extends SetupProgress {
  /** Ends what is being shown, because the setup failed; the failure itself is printed elsewhere. */
  interrupt(): void
}

/** Spinners on a terminal, plain lines elsewhere. */
export function shownProgress(): ShownProgress {
  return process.stdout.isTTY ? terminalProgress() : lineProgress()
}

function terminalProgress(): ShownProgress {
  let turning: ReturnType<typeof spinner> | undefined
  const end = (show: (current: ReturnType<typeof spinner> | undefined) => void): void => {
    show(turning)
    turning = undefined
  }
  return {
    begin: (text) => {
      turning?.clear()
      turning = spinner()
      turning.start(text)
    },
    update: (text, percent) => turning?.message(percent === undefined ? text : `${percent} % ${text}`),
    done: (text) => end((current) => (current ? current.stop(text) : log.success(text))),
    left: (text) => end((current) => (current ? current.error(text) : log.warn(text))),
    interrupt: () => end((current) => current?.error('Failed')),
  }
}

/** One line per step, and a few during a long one. */
function lineProgress(): ShownProgress {
  const stride = 25
  let shown = 0
  let begun = ''
  return {
    begin: (text) => {
      shown = 0
      begun = text
      print(`${text} …`)
    },
    update: (text, percent) => {
      if (percent === undefined || percent < shown + stride) return
      shown = percent
      print(`  ${percent} % ${text}`)
    },
    done: (text) => {
      if (text !== begun) print(`  ${text}`)
    },
    left: (text) => print(`  ${text}`),
    interrupt: () => undefined,
  }
}
