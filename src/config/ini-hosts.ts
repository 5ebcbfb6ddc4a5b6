import { AppError } from '../errors/app-error.ts'
import { iniValue, setIniValue } from './ini.ts'
import { HOST_PLACEHOLDER } from './key-values.ts'
import type { OnionHostname } from '../crypto/onion-address.ts'
import { isOnion } from '../protocol/host.ts'
import { checkHost } from '../protocol/host-check.ts'

export interface IniHosts {
  /** Without the placeholder. */
  readonly hosts: readonly string[]
  readonly onion: string | undefined
}

/** The names in `[TRANSPORT] host`. */
export function iniHosts(ini: string): IniHosts {
  const hosts = hostsOf(iniValue(ini, 'TRANSPORT', 'host') ?? '')
  return { hosts, onion: hosts.find(isOnion) }
}

/** The hosts in a value of `host`, without the placeholder; what is no host stays as it is written. */
export function hostsOf(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '' && item !== HOST_PLACEHOLDER)
    .map((item) => {
      const checked = checkHost(item)
      return 'host' in checked ? checked.host : item
    })
}

/**
 * The INI with the onion name behind the hosts that are there; the same text when it is there already.
 *
 * @throws AppError `HOST_OTHER_ONION` when another onion name is there
 */
export function withOnionHost(ini: string, onion: string): string {
  const { hosts, onion: present } = iniHosts(ini)
  if (present?.toLowerCase() === onion) return ini
  if (present !== undefined) throw otherOnion(present)
  return setIniValue(ini, 'TRANSPORT', 'host', [...hosts, onion].join(','))
}

/** The INI with other names in `host`; the same text when they are no others. Without any the placeholder comes back. */
export function withHosts(ini: string, change: (hosts: readonly string[]) => readonly string[]): string {
  const { hosts } = iniHosts(ini)
  const wanted = change(hosts)
  if (wanted.length === hosts.length && wanted.every((host, index) => host === hosts[index])) return ini
  return setIniValue(ini, 'TRANSPORT', 'host', wanted.join(',') || HOST_PLACEHOLDER)
}

/**
 * Makes sure that the name in the INI is the one that the kept key gives.
 *
 * @throws AppError `HOST_OTHER_ONION`
 */
export function requireSameOnion(ini: string, kept: OnionHostname | undefined): void {
  const { onion } = iniHosts(ini)
  if (onion !== undefined && onion.toLowerCase() !== kept) throw otherOnion(onion)
}

function otherOnion(present: string): AppError {
  return new AppError(
    'HOST_OTHER_ONION',
    `[TRANSPORT] host names ${present}, whose key is not in onion.key.`,
    'Bring that key back with `smp-server tor key restore` or `tor key import`, or take the name out of host.',
  )
}
