import { idFromBytes, idToBytes, type EntityId } from '../../protocol/ids.ts'
import type { Wake, WakeKind } from '../work.ts'

const LETTERS = { queue: 'q', blocked: 'b', notifier: 'n', service: 's' } as const satisfies Record<WakeKind, string>
const KINDS = new Map<string, WakeKind>(Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as WakeKind]))

/** Bytes that NOTIFY takes. */
const MAX_PAYLOAD = 7999

/** One letter and the id in base64url. */
export function wakeText({ kind, id }: Wake): string {
  return LETTERS[kind] + idToBytes(id).toString('base64url')
}

/** Puts wakes together into as few payloads of NOTIFY as possible. */
export function wakePayloads(wakes: Iterable<string>): string[] {
  const payloads: string[] = []
  let payload = ''
  for (const wake of wakes) {
    if (payload !== '' && payload.length + 1 + wake.length > MAX_PAYLOAD) {
      payloads.push(payload)
      payload = ''
    }
    payload += payload === '' ? wake : ` ${wake}`
  }
  if (payload !== '') payloads.push(payload)
  return payloads
}

/** What cannot be read is left out: it is of a later version of this program. */
export function parseWakes(payload: string): Wake[] {
  return payload.split(' ').flatMap((text) => {
    const kind = KINDS.get(text.slice(0, 1))
    return kind === undefined ? [] : [{ kind, id: idFromBytes<EntityId>(Buffer.from(text.slice(1), 'base64url')) }]
  })
}
