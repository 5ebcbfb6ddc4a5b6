import { HOST_PLACEHOLDER } from '../config/key-values.ts'
import type { Settings } from '../config/settings.ts'
import { formatServerAddress } from '../protocol/server-address.ts'

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

/** The address as users are given it. Without hosts a placeholder stands for them, which the operator has to replace. */
export function addressText({ fingerprint, password, hosts, port }: AddressParts): string {
  return formatServerAddress({
    keyHash: Buffer.from(fingerprint, 'base64url'),
    ...(password !== undefined && { password: Buffer.from(password, 'utf8').toString('latin1') }),
    hosts: hosts.length > 0 ? hosts : [HOST_PLACEHOLDER],
    port: port === undefined ? '' : String(port),
  })
}
