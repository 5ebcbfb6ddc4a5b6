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

/** The hosts in `[TRANSPORT] host`. */
export function iniHosts(ini: string): IniHosts {
  const hosts = hostsOf(iniValue(ini, 'TRANSPORT', 'host') ?? '')
  return { hosts, onion: hosts.find(isOnion) }
}

/** The hosts in a value of `host`, without the placeholder; an invalid one stays as it is written. */
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
 * The INI with the onion address added to its hosts; the same text if it is there already.
 *
 * @throws AppError `HOST_OTHER_ONION` when another onion address is there
 */
export function withOnionHost(ini: string, onion: string): string {
  const { hosts, onion: present } = iniHosts(ini)
  if (present?.toLowerCase() === onion) return ini
  if (present !== undefined) throw otherOnion(present)
  return setIniValue(ini, 'TRANSPORT', 'host', [...hosts, onion].join(','))
}

/** The INI with changed hosts; the same text if nothing changes. Without any host it has the placeholder again. */
export function withHosts(ini: string, change: (hosts: readonly string[]) => readonly string[]): string {
  const { hosts } = iniHosts(ini)
  const wanted = change(hosts)
  if (wanted.length === hosts.length && wanted.every((host, index) => host === hosts[index])) return ini
  return setIniValue(ini, 'TRANSPORT', 'host', wanted.join(',') || HOST_PLACEHOLDER)
}

/**
 * Checks that the onion address in the INI belongs to the relay's key.
 *
 * @throws AppError `HOST_OTHER_ONION`
 */
export function requireSameOnion(ini: string, ofKey: OnionHostname | undefined): void {
  const { onion } = iniHosts(ini)
  if (onion !== undefined && onion.toLowerCase() !== ofKey) throw otherOnion(onion)
}

function otherOnion(present: string): AppError {
  return new AppError(
    'HOST_OTHER_ONION',
    `[TRANSPORT] host contains ${present}, but its key is not in onion.key.`,
    'Restore that key with `smp-server tor key restore FILE` or `tor key import FILE`, or remove the address from host.',
  )
}
