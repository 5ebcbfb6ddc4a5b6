/** As tor reports it: `progress` 0..100; `warning`: why the step failed. */
interface Step {
  readonly progress: number
  readonly summary: string
  readonly warning?: string | undefined
}

/** A clause without a full stop: where tor has stopped on its way into the network, and why if it says so. */
export function stuckClause({ progress, summary, warning }: Step): string {
  const step = summary.charAt(0).toLowerCase() + summary.slice(1)
  return `tor is stuck at ${progress} % (${[step, warning].filter((text) => text !== undefined && text !== '').join(': ')})`
}

/** What to do about a tor that does not get into the network. */
export const NO_NETWORK_REMEDY =
  'Check that this machine is online and that its firewall lets tor out (TCP to any port). Where Tor is blocked, see Bridges in docs/tor.md.'
