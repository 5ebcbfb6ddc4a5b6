import type { CommandRunner } from '../../system/command.ts'
import type { ServiceManager } from '../../system/service-manager.ts'

/** Where the things are that a journal names. */
export interface Places {
  readonly ini: string
  readonly keyFile: string
  readonly portsFile: string
  /** Data directory of the own tor. */
  readonly torDirectory?: string | undefined
  /** `usualTorrcs` when absent. */
  readonly torrcs?: readonly string[] | undefined
}

/** What changes are taken back with. */
export interface UndoTools {
  readonly places: Places
  readonly run: CommandRunner
  readonly services: ServiceManager
}
