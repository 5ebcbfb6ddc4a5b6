import { HOST_PLACEHOLDER } from '../config/key-values.ts'
import type { Settings } from '../config/settings.ts'
import { formatServerAddress } from '../protocol/server-address.ts'

export interface AddressParts {
  readonly fingerprint: string
  readonly password: string | undefined
  readonly hosts: readonly string[]
  /** `undefined` when apps find the port by themselves. */
  readonly port: number | undefined
}

export function addressParts(settings: Settings, fingerprint: string): AddressParts {
  const { hosts, ports } = settings.transport
  return { fingerprint, password: settings.auth.createPassword, hosts, port: addressPort(ports) }
}

/** A sentence when the address still has the placeholder for its hosts. */
export function missingHost({ transport }: Settings, ini: string): string | undefined {
  if (transport.hosts.length > 0) return undefined
  return `The address has no host yet. Set \`host\` in [TRANSPORT] of ${ini} to the public name or IP address of this machine, or run \`smp-server tor setup\`.`
}

/** The one port that the address names: none when apps can use their default, which is 5223. */
export function addressPort(ports: readonly number[]): number | undefined {
  return ports.includes(5223) ? undefined : ports[0]
}

/** The address as users get it. Without hosts it has a placeholder, which the operator has to replace. */
export function addressText({ fingerprint, password, hosts, port }: AddressParts): string {
  return formatServerAddress({
    keyHash: Buffer.from(fingerprint, 'base64url'),
    ...(password !== undefined && { password: Buffer.from(password, 'utf8').toString('latin1') }),
    hosts: hosts.length > 0 ? hosts : [HOST_PLACEHOLDER],
    port: port === undefined ? '' : String(port),
  })
}
