import type { Logger } from '../config/log.ts'

/** Runs `task` every `ms` milliseconds, one run at a time; a failure is logged and does not end the series. */
export function every(ms: number, log: Logger, task: () => Promise<void> | void): { stop(): void } {
  let stopped = false
  let timer = setTimeout(() => void run(), ms)
  timer.unref()

  async function run(): Promise<void> {
    try {
      await task()
    } catch (error) {
      log.error('a periodic task failed', { error })
    }
    if (stopped) return
    timer = setTimeout(() => void run(), ms)
    timer.unref()
  }

  return {
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
