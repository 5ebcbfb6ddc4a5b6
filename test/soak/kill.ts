import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Message, Queue } from '../client/queue.ts'
import { buildProgram, Installation, type RunningCommand } from '../interop/cli-process.ts'
import { type Campaign, type CampaignRun, randomFrom } from './campaign.ts'

/*
 * The built program is killed (SIGKILL) in the middle of a burst of SENDs, again and again on the same store. What was
 * answered OK must be delivered: once, whole, and in order. Some queues are received from at the same time: what was
 * acknowledged may come again after the restart, but only from some message on, in order.
 */

const SENDERS = 4
/** Queues that are received from during the burst. */
const RECIPIENTS = 2
const IN_FLIGHT = 16
/** From the first OK to the kill; one kill in eight comes before it. */
const LONGEST_BURST_MS = 60

/** @param configure makes something else of a relay that has been initialised */
export const killCampaignOn = (configure: (relay: Installation) => Promise<void>): Campaign => ({
  name: 'kill',
  about: 'kill -9 in a burst of messages; what got OK and no ACK is delivered after the restart, once and in order',
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
  /** The next round kills what the one before has started. */
  #running: RunningCommand | undefined

  constructor(relay: Installation, address: RelayAddress, random: () => number) {
    this.directory = relay.root
    this.#relay = relay
    this.#address = address
    this.#random = random
  }

  async round(index: number): Promise<Record<string, number>> {
    const running = this.#running ?? (await this.#start())
    const recipient = await connectClient(this.#address)
    const queues = await Promise.all(Array.from({ length: SENDERS }, () => recipient.createQueue({ subscribe: false })))
    const bursts = await Promise.all(
      queues.map(async (queue, sender) => burst(await connectClient(this.#address), queue, `${index}/${sender}`)),
    )
    const receptions = await Promise.all(
      queues
        .slice(0, RECIPIENTS)
        .map(async (queue, sender) => receive(await connectClient(this.#address), queue, `${index}/${sender}`)),
    )
    if (this.#random() < 7 / 8) await Promise.race(bursts.flatMap(({ begun, ended }) => [begun, ended]))
    await new Promise((resolve) => setTimeout(resolve, this.#random() * LONGEST_BURST_MS))
    running.kill('SIGKILL')
    await running.ended()
    await Promise.all([...bursts, ...receptions].map(({ ended }) => ended))
    await recipient.close()

    const killedAt = performance.now()
    this.#running = await this.#start()
    const restartMs = performance.now() - killedAt
    const again = await connectClient(this.#address)
    let [promised, delivered, acknowledged, repeated] = [0, 0, 0, 0]
    for (const [sender, queue] of queues.entries()) {
      const { promised: expected } = bursts[sender] ?? { promised: [] }
      const before = receptions[sender]?.acknowledged ?? []
      const arrived = await drain(again, queue, `${index}/${sender}`)
      const [first = Infinity] = arrived
      promised += expected.length
      delivered += arrived.length
      acknowledged += before.length
      repeated += before.filter((number) => arrived.includes(number)).length
      // One that got no OK may have been delivered and acknowledged without ever being on the disk.
      const lost = expected.filter((n) => !arrived.includes(n) && !(before.includes(n) && n < first))
      if (lost.length > 0) {
        const facts = { expected, before, arrived }
        throw new Error(`lost, of queue ${sender}: ${lost.join(', ')}: ${JSON.stringify(facts)}`)
      }
      for (const numbers of [before, arrived]) {
        const outOfOrder = numbers.filter((number, at) => at > 0 && number <= (numbers[at - 1] ?? 0))
        if (outOfOrder.length > 0) throw new Error(`doubled or out of order, of queue ${sender}: ${numbers.join(', ')}`)
      }
      if ((await again.del(queue)).type !== 'OK') throw new Error(`queue ${sender} cannot be deleted`)
    }
    await again.close()
    return { promised, delivered, acknowledged, repeated, restartMs }
  }

  async #start(): Promise<RunningCommand> {
    const running = this.#relay.start(['start'])
    await running.shows(/Listening on port/)
    return running
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

interface Reception {
  /** Numbers of the messages whose ACK was sent. */
  readonly acknowledged: number[]
  readonly ended: Promise<void>
}

/** Receives from a queue, and acknowledges, until the connection breaks. */
function receive(client: SmpClient, queue: Queue, name: string): Reception {
  const acknowledged: number[] = []
  const loop = async (): Promise<void> => {
    await client.sub(queue)
    for (;;) {
      let message: Message | undefined = await client.receive(queue)
      while (message) {
        acknowledged.push(...numberOf(message, name))
        message = await next(client, queue, message)
      }
    }
  }
  return { acknowledged, ended: Promise.race([loop().catch(() => undefined), client.closed]) }
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
    numbers.push(...numberOf(message, name))
    message = await next(client, queue, message)
  }
  return numbers
}

/** Acknowledges a message; the one that the reply brings. */
async function next(client: SmpClient, queue: Queue, { id }: Message): Promise<Message | undefined> {
  const reply = await client.ack(queue, id)
  return reply.type === 'MSG' ? client.read(queue, reply) : undefined
}

/** The number of a message; none of a quota marker. @throws Error when the body is not whole */
function numberOf(message: Message, name: string): number[] {
  if (message.type !== 'message') return []
  const body = message.body.toString()
  const number = Number(body.slice(name.length).replace(/\.+$/, ''))
  if (body !== `${name} ${number}`.padEnd(4000, '.')) throw new Error(`a body is not whole: ${body.slice(0, 40)}`)
  return [number]
}
