import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { FIREWALL_COMMANDS, nftablesAdvice } from '../app/firewall-commands.ts'

/** In the order in which one that is installed is taken for the one in use. */
const FIREWALLS: readonly { readonly program: string; readonly lines: (ports: readonly number[]) => string[] }[] = [
  { program: 'ufw', lines: FIREWALL_COMMANDS.ufw },
  { program: 'firewall-cmd', lines: FIREWALL_COMMANDS.firewalld },
  { program: 'nft', lines: (ports) => [nftablesAdvice(ports)] },
]

/**
 * How root opens ports, a line each; empty without a firewall that is known.
 *
 * @param path where programs are looked for, as in PATH; those of root are looked for as well
 */
export function firewallLines(ports: readonly number[], path = process.env.PATH ?? ''): string[] {
  const directories = [...path.split(delimiter), '/usr/sbin', '/sbin'].filter((directory) => directory !== '')
  const found = FIREWALLS.find(({ program }) => directories.some((directory) => existsSync(join(directory, program))))
  return found?.lines(ports) ?? []
}
