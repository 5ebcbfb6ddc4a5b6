import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { askRelay } from './control-socket/client.ts'
import { parseState, type RelayLink } from '../tor/index.ts'

const torAnswer = v.object({ onion: v.nullable(v.unknown()) })

/**
 * The running relay, as `tor` commands talk to it.
 *
 * @returns undefined when none runs on this state directory
 * @throws AppError `RELAY_SOCKET`
 */
export async function relayLink({ controlSocket }: Paths): Promise<RelayLink | undefined> {
  if ((await askRelay(controlSocket, 'GET /ping')) === undefined) return undefined
  return {
    reload: async () => {
      await askRelay(controlSocket, 'POST /tor/reload')
    },
    state: async () => {
      const answer = v.safeParse(torAnswer, await askRelay(controlSocket, 'GET /tor'))
      return answer.success ? parseState(answer.output.onion) : undefined
    },
  }
}
