import { get } from 'node:http'
import { createServer } from 'node:net'
import type { ServiceId } from '../../crypto/onion-address.ts'
import { TorRefusal } from '../control/errors.ts'
import type { TorControl } from '../control/tor-control.ts'

/*
 * What tor counts of an onion service: its MetricsPort, on loopback, in the text format of Prometheus. It has a fixed size
 * whatever clients do; the list of circuits, which the control port has, grows with them.
 */

export interface ServiceFigures {
  /** Introduction points that are connected. */
  readonly introPoints: number
  /** Circuits to clients that are open. */
  readonly rendezvous: number
  /** Introductions that tor has rejected since it started: replayed or malformed. */
  readonly rejected: number
  /** Effort that the descriptor suggests to clients; 0 while there is no flood, or without proof of work. */
  readonly powEffort: number
  /** Introductions that wait in the queue by effort. */
  readonly powQueue: number
}

const NAMES = {
  introPoints: 'tor_hs_intro_established_count',
  rendezvous: 'tor_hs_rdv_established_count',
  rejected: 'tor_hs_intro_rejected_intro_req_count',
  powEffort: 'tor_hs_pow_suggested_effort',
  powQueue: 'tor_hs_rdv_pow_pqueue_count',
} as const

/** The figures of one service; `undefined` when the text has none of it. Sums what differs in other labels only. */
export function parseServiceFigures(text: string, serviceId: ServiceId): ServiceFigures | undefined {
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, labels = '', value = ''] = /^(tor_hs_\w+)\{([^}]*)\} (\d{1,15})$/.exec(line) ?? []
    if (name === undefined || !labels.split(',').includes(`onion="${serviceId}"`)) continue
    sums.set(name, (sums.get(name) ?? 0) + Number(value))
  }
  if (!sums.has(NAMES.introPoints)) return undefined
  const of = (figure: keyof typeof NAMES): number => sums.get(NAMES[figure]) ?? 0
  return {
    introPoints: of('introPoints'),
    rendezvous: of('rendezvous'),
    rejected: of('rejected'),
    powEffort: of('powEffort'),
    powQueue: of('powQueue'),
  }
}

const MAX_BYTES = 1024 * 1024
const TIMEOUT_MS = 3000

/** Reads the figures of a tor that the relay runs, through a port that it has this tor open on 127.0.0.1. */
export class FiguresPort {
  readonly #control: TorControl
  #port: number | undefined
  /** This tor has no such port. */
  #isRefused = false

  constructor(control: TorControl) {
    this.#control = control
  }

  /** `undefined` when this tor does not tell. */
  async read(serviceId: ServiceId): Promise<ServiceFigures | undefined> {
    if (this.#isRefused) return undefined
    try {
      this.#port ??= await this.#open()
      return parseServiceFigures(await body(this.#port), serviceId)
    } catch (error) {
      // A reload of its torrc closes the port.
      this.#port = undefined
      this.#isRefused = error instanceof TorRefusal
      return undefined
    }
  }

  async #open(): Promise<number> {
    const port = await freePort()
    await this.#control.setConf({ MetricsPort: `127.0.0.1:${port}`, MetricsPortPolicy: 'accept 127.0.0.1' })
    return port
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
  return address.port
}

async function body(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: '/metrics', timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response
        .on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_BYTES) request.destroy(new Error('the figures of tor are too long'))
          chunks.push(chunk)
        })
        .once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
        .once('error', reject)
    })
    request.once('error', reject).once('timeout', () => request.destroy(new Error('tor does not tell its figures')))
  })
}
