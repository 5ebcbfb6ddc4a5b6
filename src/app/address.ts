import { isIPv6 } from 'node:net'
import type { Settings } from '../config/settings.ts'
import { hostPlaceholder } from '../config/settings.ts'

export interface AddressParts {
  readonly fingerprint: string
  readonly password: string | undefined
  readonly hosts: readonly string[]
  /** `undefined` when clients find the port by themselves. */
  readonly port: number | undefined
}

export function addressParts(settings: Settings, fingerprint: string): AddressParts {
  const { hosts, ports } = settings.transport
  return { fingerprint, password: settings.auth.createPassword, hosts, port: addressPort(ports) }
}

/** What is missing from an address whose hosts are still the placeholder; undefined when nothing is. */
export function missingHost({ transport }: Settings, ini: string): string | undefined {
  if (transport.hosts.length > 0) return undefined
  return `The address has no host yet: write the public name or IP address of this machine into host under [TRANSPORT] of ${ini}, or give the relay an onion name with \`smp-server tor setup\`.`
}

/**
 * The port to name in the address: none when clients may use their default, which is 5223; otherwise the first one.
 * Only one can stand there.
 */
export function addressPort(ports: readonly number[]): number | undefined {
  return ports.includes(5223) ? undefined : ports[0]
}

/**
 * `smp://<fingerprint>[:<password>]@<host>[,<host>…][:<port>]`. Without hosts a placeholder stands for them, which the
 * operator has to replace.
 */
export function addressText({ fingerprint, password, hosts, port }: AddressParts): string {
  const secret = password === undefined ? '' : `:${password}`
  const places = hosts.map((host) => (port !== undefined && isIPv6(host) ? `[${host}]` : host))
  const suffix = port === undefined ? '' : `:${port}`
  return `smp://${fingerprint}${secret}@${places.join(',') || hostPlaceholder}${suffix}`
}
