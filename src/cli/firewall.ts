import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** How each firewall is told to let clients in, the first that is installed being the one in use. */
const FIREWALLS: readonly { readonly program: string; readonly commands: (ports: readonly number[]) => string[] }[] = [
  { program: 'ufw', commands: (ports) => ports.map((port) => `ufw allow ${port}/tcp`) },
  {
    program: 'firewall-cmd',
    commands: (ports) => [
      `firewall-cmd --permanent ${ports.map((port) => `--add-port=${port}/tcp`).join(' ')}`,
      'firewall-cmd --reload',
    ],
  },
  {
    program: 'nft',
    commands: (ports) => [`nft add rule inet filter input tcp dport '{ ${ports.join(', ')} }' accept`],
  },
]

/**
 * The commands with which root opens ports; empty without a firewall that is known.
 *
 * @param path where programs are looked for, as in PATH; those of root are looked for as well
 */
export function firewallCommands(ports: readonly number[], path = process.env.PATH ?? ''): string[] {
  const directories = [...path.split(delimiter), '/usr/sbin', '/sbin'].filter((directory) => directory !== '')
  const found = FIREWALLS.find(({ program }) => directories.some((directory) => existsSync(join(directory, program))))
  return found?.commands(ports) ?? []
}
