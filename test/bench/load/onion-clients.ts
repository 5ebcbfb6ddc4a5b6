import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectClient, expectReply, type SmpClient } from '../../client/client.ts'
import { generateKey } from '../../client/keys.ts'
import type { Queue } from '../../client/queue.ts'
import type { TorNetwork } from '../../tor-network/fixture.ts'

const BODY_SIZE = 16_000
const TIMEOUT_MS = 20_000

interface Pair {
  readonly sender: SmpClient
  readonly recipient: SmpClient
  readonly queue: Queue
}

/** Clients of one onion service, through the SOCKS port of an ordinary tor; keeps the milliseconds. */
export class OnionClients {
  readonly connectMs: number[] = []
  readonly messageMs: number[] = []
  readonly #onion: { readonly host: string; readonly keyHash: Buffer }
  readonly #network: TorNetwork
  readonly #key = generateKey('x25519')
  #pair: Pair | undefined

  constructor(onion: { readonly host: string; readonly keyHash: Buffer }, network: TorNetwork) {
    this.#onion = onion
    this.#network = network
  }

  /** SOCKS, TLS and SMP handshake, on a circuit that nobody used before. */
  async connect(): Promise<void> {
    await (await this.#client((ms) => this.connectMs.push(ms))).close()
  }

  /** From SEND to MSG, each with a connection and a circuit of its own. */
  async passMessage(): Promise<void> {
    this.#pair ??= await this.#open()
    const { sender, recipient, queue } = this.#pair
    const sentAt = performance.now()
    const received = recipient.receive(queue, TIMEOUT_MS)
    expectReply(await sender.send(queue, randomBytes(BODY_SIZE), { key: this.#key }), 'OK')
    const message = await received
    this.messageMs.push(performance.now() - sentAt)
    expectReply(await recipient.ack(queue, message.id), 'OK')
  }

  async close(): Promise<void> {
    await this.#pair?.sender.close()
    await this.#pair?.recipient.close()
  }

  async #open(): Promise<Pair> {
    const recipient = await this.#client()
    const queue = await recipient.createQueue({ auth: 'x25519' })
    expectReply(await recipient.key(queue, this.#key), 'OK')
    return { recipient, queue, sender: await this.#client() }
  }

  /** The first client may come before the descriptor can be found everywhere. */
  async #client(took: (ms: number) => void = () => undefined): Promise<SmpClient> {
    const { socksHost: host, socksPort: port } = this.#network
    const socks = { host, port, userId: randomBytes(12).toString('hex'), password: 'x' }
    for (let attempt = 1; ; attempt++) {
      const beganAt = performance.now()
      try {
        const client = await connectClient({ ...this.#onion, port: 5223 }, { socks, timeoutMs: TIMEOUT_MS })
        took(performance.now() - beganAt)
        return client
      } catch (error) {
        if (attempt === 8) throw error
        await sleep(1000)
      }
    }
  }
}
