import type { ServiceId } from '../../crypto/onion-address.ts'
import { parseServiceId } from '../../crypto/onion-address.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { plainWord, splitPair } from './info.ts'
import type { ControlMessage } from './reply.ts'

/*
 * ADD_ONION and its answer (Tor control-spec §3.27).
 *
 *   "ADD_ONION" SP "ED25519-V3:" base64 SP "Flags=" flags 1*(SP "Port=" virtualPort "," target)
 *   250-ServiceID=<56 characters>   250 OK
 */

export interface OnionPort {
  readonly virtualPort: number
  /** `127.0.0.1:5223` or `unix:/path`. */
  readonly target: string
}

export type OnionFlag = 'NonAnonymous' | 'Detach' | 'MaxStreamsCloseCircuit' | 'V3Auth'

export interface AddOnion {
  readonly key: OnionKey
  readonly ports: readonly OnionPort[]
  readonly flags: readonly OnionFlag[]
  readonly maxStreams?: number | undefined
  /** With the flag V3Auth: public keys of the clients that are let in, 52 characters of base32 each. */
  readonly clients?: readonly string[] | undefined
  /** Proof-of-work defence of the introduction points. */
  readonly pow?: boolean | undefined
  /** Requests per second, and at once, that its queue lets through. */
  readonly powRate?: number | undefined
  readonly powBurst?: number | undefined
}

export interface AddedOnion {
  readonly serviceId: ServiceId
}

export function addOnionCommand({
  key,
  ports,
  flags,
  maxStreams,
  pow,
  powRate,
  powBurst,
  clients = [],
}: AddOnion): string {
  if (ports.length === 0) throw new TypeError('an onion service needs a port')
  return [
    'ADD_ONION',
    `ED25519-V3:${key.secret.toString('base64')}`,
    ...(flags.length > 0 ? [`Flags=${flags.join(',')}`] : []),
    ...(maxStreams === undefined ? [] : [`MaxStreams=${maxStreams}`]),
    ...(pow === true ? ['PoWDefensesEnabled=1'] : []),
    ...(pow === true && powRate !== undefined ? [`PoWQueueRate=${powRate}`] : []),
    ...(pow === true && powBurst !== undefined ? [`PoWQueueBurst=${powBurst}`] : []),
    ...clients.map((client) => `ClientAuthV3=${plainWord(client)}`),
    ...ports.map(({ virtualPort, target }) => `Port=${virtualPort},${plainWord(target)}`),
  ].join(' ')
}

/** `undefined` when the reply is malformed. */
export function parseAddedOnion(reply: ControlMessage): AddedOnion | undefined {
  const values = new Map(reply.lines.map(({ text }) => splitPair(text)))
  const serviceId = parseServiceId(values.get('ServiceID') ?? '')
  return serviceId && { serviceId }
}

/** The services of `GETINFO onions/detached`: nothing, one id, or one per line. */
export function parseOnionList(value: string): ServiceId[] {
  return value.split('\n').flatMap((line) => parseServiceId(line.trim()) ?? [])
}
