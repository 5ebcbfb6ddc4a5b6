import type { Settings } from './settings.ts'

/** The settings of a running relay. */
export interface LiveSettings {
  /** Always the present values: whoever reads a setting when it is needed never has an old one. */
  readonly settings: Settings
  change(settings: Settings): void
}

export function liveSettings(first: Settings): LiveSettings {
  let present = first
  const settings: Settings = {
    get information() {
      return present.information
    },
    get store() {
      return present.store
    },
    get auth() {
      return present.auth
    },
    get transport() {
      return present.transport
    },
    get cluster() {
      return present.cluster
    },
    get proxy() {
      return present.proxy
    },
    get names() {
      return present.names
    },
    get inactiveClients() {
      return present.inactiveClients
    },
    get web() {
      return present.web
    },
    get backup() {
      return present.backup
    },
    get tor() {
      return present.tor
    },
  }
  return {
    settings,
    change: (next) => {
      present = next
    },
  }
}
