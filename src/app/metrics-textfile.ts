import type { Logger } from '../config/log.ts'
import { every } from '../server/timer.ts'
import { writeDurably } from '../system/durable-file.ts'

export interface MetricsTextfileOptions {
  /** `metrics_textfile` of [STORE_LOG]; nothing is written without it. */
  readonly path: string | undefined
  readonly everyMs: number
  /** The metrics without times, and without those of the process, which node_exporter has too. */
  readonly metrics: () => Promise<string>
  readonly log: Logger
}

/** Everybody may read it: the collector runs as another user. */
const MODE = 0o644

/**
 * Writes the metrics for node_exporter's textfile collector, each time as a whole new file. While that fails, the log says
 * so once.
 */
export function writeMetricsTextfile({ path, everyMs, metrics, log }: MetricsTextfileOptions): { stop(): void } {
  if (path === undefined) return { stop: () => undefined }
  let failed = false
  const write = async (): Promise<void> => {
    try {
      await writeDurably(path, await metrics(), { mode: MODE, ifExists: 'replace' })
      if (failed) log.note(`Writing metrics to ${path} again`)
      failed = false
    } catch (error) {
      if (!failed) {
        const why = error instanceof Error ? error.message : String(error)
        log.warn(
          `Cannot write metrics_textfile ${path}: ${why}. The relay's user must be able to write to its directory.`,
        )
      }
      failed = true
    }
  }
  void write()
  return every(everyMs, log, write)
}
