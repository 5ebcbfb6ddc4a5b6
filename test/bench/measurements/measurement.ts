import type { Report } from '../report.ts'

export interface Settings {
  /** Length of each measured period. */
  readonly seconds: number
  /** Where CPU profiles and heap snapshots of the relay go. */
  readonly profileDirectory: string | undefined
}

export interface Measurement {
  readonly name: string
  readonly title: string
  /** After which it is given up, where its length does not depend on the settings. */
  readonly limitSeconds?: number
  /** Takes so long that it is only measured when it is named. */
  readonly onlyNamed?: boolean
  run(report: Report, settings: Settings): Promise<void>
}
