import type { HealthReport } from '../health-report.ts'

/** What the dashboard shows above its charts. Times are ISO 8601, UTC. */
export interface DashboardStatus {
  readonly version: string
  readonly startedAt: string
  /** Without the password. */
  readonly address: string
  readonly ports: readonly number[]
  readonly connections: number
  readonly queues: number
  /** Undelivered messages. */
  readonly messages: number
  readonly storeBytes: number
  readonly health: HealthReport
  readonly onion: {
    readonly hostname: string | null
    readonly checkedAt: string | null
    /** Milliseconds of the last successful check. */
    readonly latency: number | null
    /** Of an own tor. */
    readonly introPoints: number | null
    /** What clients must do before they get through; 0 without a flood. */
    readonly powEffort: number | null
  } | null
  readonly lastBackup: string | null
}
