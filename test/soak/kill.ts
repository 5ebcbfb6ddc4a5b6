import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Queue } from '../client/queue.ts'
import { buildProgram, Installation } from '../interop/cli-process.ts'
import { type Campaign, type CampaignRun, randomFrom } from './campaign.ts'

/*
 * The built program is killed (SIGKILL) in the middle of a burst of SENDs, again and again on the same store. What was
 * answered OK must be delivered after the restart: once, whole, and in order.
 */

const SENDERS = 4
const IN_FLIGHT = 16
/** From the first OK to the kill; one kill in eight comes before it. */
const LONGEST_BURST_MS = 60

/** @param configure makes something else of a relay that has been initialised */
export const killCampaignOn = (configure: (relay: Installation) => Promise<void>): Campaign => ({
  name: 'kill',
  about: 'kill -9 in a burst of messages; what got OK is delivered after the restart, once and in order',
  rounds: 1000,
  prepare: async (seed) => {
    await buildProgram()
    const relay = new Installation()
    const address = await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    await configure(relay)
    return new KillRun(relay, address, randomFrom(seed))
  },
})

export const killCampaign = killCampaignOn(() => Promise.resolve())

class KillRun implements CampaignRun {
  readonly directory: string
  readonly #relay: Installation
  readonly #address: RelayAddress
  readonly #random: () => number

  constructor(relay: Installation, address: RelayAddress, random: () => number) {
    this.directory = relay.root
    this.#relay = relay
    this.#address = address
    this.#random = random
  }

  async round(index: number): Promise<Record<string, number>> {
    const running = this.#relay.start(['start'])
    await running.shows(/Listening on port/)
    const recipient = await connectClient(this.#address)
    const queues = await Promise.all(Array.from({ length: SENDERS }, () => recipient.createQueue({ subscribe: false })))
    const bursts = await Promise.all(
      queues.map(async (queue, sender) => burst(await connectClient(this.#address), queue, `${index}/${sender}`)),
    )
    if (this.#random() < 7 / 8) await Promise.race(bursts.flatMap(({ begun, ended }) => [begun, ended]))
    await new Promise((resolve) => setTimeout(resolve, this.#random() * LONGEST_BURST_MS))
    running.kill('SIGKILL')
    await running.ended()
    await Promise.all(bursts.map(({ ended }) => ended))
    await recipient.close()

    const killedAt = performance.now()
    const restarted = this.#relay.start(['start'])
    await restarted.shows(/Listening on port/)
    const restartMs = performance.now() - killedAt
    const again = await connectClient(this.#address)
    let [promised, delivered] = [0, 0]
    for (const [sender, queue] of queues.entries()) {
      const { promised: expected } = bursts[sender] ?? { promised: [] }
      const arrived = await drain(again, queue, `${index}/${sender}`)
      promised += expected.length
      delivered += arrived.length
      const lost = expected.filter((number) => !arrived.includes(number))
      if (lost.length > 0) throw new Error(`lost, of queue ${sender}: ${lost.join(', ')}`)
      const outOfOrder = arrived.filter((number, at) => at > 0 && number <= (arrived[at - 1] ?? 0))
      if (outOfOrder.length > 0) throw new Error(`doubled or out of order, of queue ${sender}: ${arrived.join(', ')}`)
      if ((await again.del(queue)).type !== 'OK') throw new Error(`queue ${sender} cannot be deleted`)
    }
    await again.close()
    restarted.kill('SIGKILL')
    await restarted.ended()
    return { promised, delivered, restartMs }
  }

  async end(keepFiles: boolean): Promise<void> {
    await this.#relay.remove(keepFiles)
  }
}

interface Burst {
  /** Numbers of the messages that were answered OK. */
  readonly promised: number[]
  /** The first was answered. */
  readonly begun: Promise<void>
  readonly ended: Promise<void>
}

/** Keeps `IN_FLIGHT` SENDs of numbered bodies under way until the connection breaks. */
function burst(client: SmpClient, queue: Queue, name: string): Burst {
  const promised: number[] = []
  let next = 0
  let begin = (): void => undefined
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const lane = async (): Promise<void> => {
    for (;;) {
      const number = next++
      const reply = await client.send(queue, `${name} ${number}`.padEnd(4000, '.'))
      if (reply.type !== 'OK') return
      promised.push(number)
      begin()
    }
  }
  const lanes = Array.from({ length: IN_FLIGHT }, () => lane().catch(() => undefined))
  return { promised, begun, ended: Promise.all(lanes).then(() => undefined) }
}

/** Receives and acknowledges everything in a queue. @returns the numbers of its messages */
async function drain(client: SmpClient, queue: Queue, name: string): Promise<number[]> {
  const numbers: number[] = []
  await client.sub(queue)
  // The first message is pushed, when there is one, ahead of the answer to this.
  await client.ping()
  const event = client.takeEvent()
  let message = event && client.read(queue, event.reply)
  while (message) {
    if (message.type === 'message') {
      const body = message.body.toString()
      const number = Number(body.slice(name.length).replace(/\.+$/, ''))
      if (body !== `${name} ${number}`.padEnd(4000, '.')) throw new Error(`a body is not whole: ${body.slice(0, 40)}`)
      numbers.push(number)
    }
    const reply = await client.ack(queue, message.id)
    message = reply.type === 'MSG' ? client.read(queue, reply) : undefined
  }
  return numbers
}
