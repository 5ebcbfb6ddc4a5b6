import type { Copied } from '../store/copy-store.ts'

const EVERY_MS = 1000

/** Says on standard error, once a second at most, how much has been copied. */
export function copiedProgress(): (copied: Copied) => void {
  let shownAt = performance.now()
  return (copied) => {
    if (performance.now() - shownAt < EVERY_MS) return
    shownAt = performance.now()
    process.stderr.write(`${copiedText(copied)} ...\n`)
  }
}

/** `3 queues, 2 messages and 1 notifications` */
export function copiedText({ queues, messages, notifications }: Copied): string {
  return `${queues} queues, ${messages} messages and ${notifications} notifications`
}
