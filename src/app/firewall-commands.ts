/** What root runs to let clients in, by the firewall that is in use. */
export const FIREWALL_COMMANDS = {
  ufw: (ports: readonly number[]): string[] => ports.map((port) => `ufw allow ${port}/tcp`),
  firewalld: (ports: readonly number[]): string[] => [
    `firewall-cmd --permanent ${ports.map((port) => `--add-port=${port}/tcp`).join(' ')}`,
    'firewall-cmd --reload',
  ],
}

/** Where the rules are lines of /etc/nftables.conf: a rule that is appended to a chain may come too late. */
export function nftablesAdvice(ports: readonly number[]): string {
  return `add \`tcp dport { ${ports.join(', ')} } accept\` to the chain in /etc/nftables.conf, before what drops, and run \`systemctl reload nftables\`.`
}
