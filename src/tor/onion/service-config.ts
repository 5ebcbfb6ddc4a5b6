/**
 * single-hop: tor saves three relays of the path, and whoever knows the address can find this server. anonymous: an
 * ordinary onion service, which hides the server.
 */
export type ServiceType = 'single-hop' | 'anonymous'

/** How an onion service is run, apart from its key and its ports. */
export interface OnionServiceConfig {
  readonly type: ServiceType
  /** Proof-of-work defence of the introduction points (Tor proposal 327). */
  readonly pow?: boolean
  /** Its queue: requests per second, and at once; tor's own values when absent. */
  readonly powRate?: number | undefined
  readonly powBurst?: number | undefined
  /** Streams that one circuit may open; a circuit that opens more is closed. */
  readonly maxStreams?: number | undefined
  /** Tor tells the relay through which circuit a client comes; only a service of a torrc can. */
  readonly withCircuits?: boolean | undefined
}

export const singleHopService: OnionServiceConfig = { type: 'single-hop' }

/** Lines that tell one config from another; none for a plain single-hop service. */
export function configLines(config: OnionServiceConfig): string[] {
  const { type, pow = false, powRate, powBurst, maxStreams, withCircuits = false } = config
  return [
    ...(type === 'anonymous' ? ['anonymous'] : []),
    ...(pow ? ['pow'] : []),
    ...(pow && powRate !== undefined ? [`pow-rate ${powRate}`] : []),
    ...(pow && powBurst !== undefined ? [`pow-burst ${powBurst}`] : []),
    ...(maxStreams === undefined ? [] : [`max-streams ${maxStreams}`]),
    ...(withCircuits ? ['circuits'] : []),
  ]
}

/** For sentences: "in single-hop mode", "as an anonymous service". */
export function serviceTypeText(type: ServiceType): string {
  return type === 'single-hop' ? 'in single-hop mode' : 'as an anonymous (three-hop) service'
}
