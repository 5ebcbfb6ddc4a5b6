import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { askRelay } from './control-socket/client.ts'
import type { Reloaded, ReloadRequest } from './reload.ts'

const reloaded = v.object({ warnings: v.array(v.string()), summary: v.string() })

/**
 * Has the running relay read its INI file and certificates again.
 *
 * @returns undefined when no relay runs on this state directory
 * @throws AppError `RELAY_SOCKET`, and why the relay has changed nothing
 */
export async function askReload({ controlSocket }: Paths, request: ReloadRequest = {}): Promise<Reloaded | undefined> {
  const answer = await askRelay(controlSocket, 'POST /reload', request)
  return answer === undefined ? undefined : v.parse(reloaded, answer)
}
