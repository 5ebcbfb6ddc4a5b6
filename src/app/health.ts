import type { Paths } from '../config/paths.ts'
import { checkReachability } from '../tor/index.ts'
import { readFingerprint } from './identity.ts'
import { loadSettings } from './load-settings.ts'

const CONNECT_TIMEOUT_MS = 8000
const ASK_TIMEOUT_MS = 5000

/** How the relay that runs here is. */
export interface Health {
  readonly healthy: boolean
  /** One sentence, or two when there is something to do. */
  readonly line: string
}

/**
 * Asks the relay that runs on this machine as its users do, up to its certificate and an answer of SMP, and what it says
 * of itself on the metrics port where it has one.
 *
 * @throws AppError when there is no relay here, or its settings are wrong
 */
export async function askHealth(paths: Paths): Promise<Health> {
  const { transport, store } = (await loadSettings(paths)).settings
  const keyHash = Buffer.from(await readFingerprint(paths), 'base64url')
  const [port] = transport.ports
  if (port === undefined) return unhealthy('port of [TRANSPORT] names no port.')
  const host = localHost(transport.listenHost)
  const options = { connectTimeoutMs: CONNECT_TIMEOUT_MS }
  const { fault, ms } = await checkReachability({ host, port, keyHash }, { type: 'direct' }, options)
  if (fault) return unhealthy(`${fault.message} ${fault.remedy}`)
  const complaint = store.metricsPort === undefined ? undefined : await complaintAt(store.metricsPort)
  if (complaint !== undefined) return unhealthy(complaint)
  return { healthy: true, line: `Healthy: the relay answers on port ${port} in ${ms.toFixed(1)} ms.` }
}

/** Where a server that listens on all addresses is reached from its own machine. */
function localHost(listenHost: string | undefined): string {
  return listenHost === undefined || listenHost === '0.0.0.0' || listenHost === '::' ? '127.0.0.1' : listenHost
}

function unhealthy(why: string): Health {
  return { healthy: false, line: `Not healthy: ${why.replaceAll('\n', ' ')}` }
}

/** What the relay says is wrong with it, at /health of the metrics port; undefined when it is well. */
async function complaintAt(port: number): Promise<string | undefined> {
  const url = `http://127.0.0.1:${port}/health`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) })
    const text = await answer.text()
    return answer.ok ? undefined : `${url} says: ${text.trim().slice(0, 1000)}`
  } catch (error) {
    return `${url} does not answer (${error instanceof Error ? error.message : String(error)}).`
  }
}
