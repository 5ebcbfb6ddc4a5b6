import type { Logger } from '../config/log.ts'

/**
 * Runs `task` every `ms` milliseconds, one run at a time; a failure is logged and does not stop the series. A function is
 * called before each run for the time to wait.
 */
export function every(ms: number | (() => number), log: Logger, task: () => Promise<void> | void): { stop(): void } {
  let stopped = false
  let timer = next()

  function next(): NodeJS.Timeout {
    return setTimeout(() => void run(), typeof ms === 'number' ? ms : ms()).unref()
  }

  async function run(): Promise<void> {
    try {
      await task()
    } catch (error) {
      log.error('a periodic task failed', { error })
    }
    if (stopped) return
    timer = next()
  }

  return {
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
