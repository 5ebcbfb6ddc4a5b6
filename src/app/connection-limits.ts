import type { Logger } from '../config/log.ts'
import type { Settings } from '../config/settings.ts'
import { clientDescriptors, descriptorLimit } from '../system/descriptors.ts'
import type { ConnectionLimitsOptions } from '../transport/connection-limits.ts'

/** Few clients of a relay need more than this where the system names no limit. */
const UNKNOWN_LIMIT = 10_000

/**
 * The limits of the INI file, as far as the limit of open files allows; the log says when that is less than what the
 * operator asked for.
 *
 * @param descriptors the limit of open files; undefined when unknown
 */
export function connectionLimits(
  { transport: { maxConnections, maxConnectionsPerAddress }, tor }: Pick<Settings, 'transport' | 'tor'>,
  log: Logger,
  descriptors = descriptorLimit(),
): ConnectionLimitsOptions {
  const possible = descriptors === undefined ? UNKNOWN_LIMIT : clientDescriptors(descriptors)
  if (maxConnections !== undefined && descriptors !== undefined && maxConnections > possible) {
    log.warn(
      `max_connections = ${maxConnections} in [TRANSPORT] needs more open files than this process may have (${descriptors}): at most ${possible} connections. Raise LimitNOFILE in the service, or lower max_connections.`,
    )
  }
  const total = Math.min(maxConnections ?? possible, descriptors === undefined ? Infinity : possible)
  return { total, perAddress: maxConnectionsPerAddress, perCircuit: tor.maxConnectionsPerCircuit, log }
}
