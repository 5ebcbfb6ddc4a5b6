import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Queue } from '../client/queue.ts'
import { buildProgram, Installation, type RunningCommand } from '../interop/cli-process.ts'
import { copyOf, usePostgres } from '../postgres/relays.ts'
import { temporaryPostgres, type PostgresServer } from '../postgres/server.ts'
import { type Campaign, type CampaignRun, randomFrom } from './campaign.ts'

/*
 * Three relays on one PostgreSQL, one of them with two workers. In each round one of their processes is killed (SIGKILL) while
 * clients send and receive through all of them; whose connection is lost goes on at another one. What got OK has to
 * arrive in order, and what was acknowledged may come again only where the connection was lost.
 */

const WORKERS = 2
/** What is killed, in turn: a relay of one process, a worker, and the process that has the workers. */
const VICTIMS = ['relay', 'worker', 'primary'] as const
const QUEUES = 6
const MESSAGES = 60
const IN_FLIGHT = 4
/** Share of the messages that are answered at the kill, at most. */
const LATEST = 0.8
/** A relay that was killed between its COMMIT and its NOTIFY is noticed by the others after up to 35 s. */
const PATIENCE_MS = 40_000
/** Until a relay listens, at most; it may have to share the processor with other campaigns. */
const START_MS = 120_000
const LAST = 'last'

export const clusterCampaign: Campaign = {
  name: 'cluster',
  about: 'kill -9 of one of several relays and workers on one PostgreSQL while clients go on through the others',
  rounds: 100,
  prepare: async (seed) => {
    const server = await temporaryPostgres()
    await server.query('CREATE ROLE relay LOGIN')
    await server.query('CREATE DATABASE relay OWNER relay')
    return ClusterRun.prepare(randomFrom(seed), server.uri('relay', 'relay'), server)
  },
}

export class ClusterRun implements CampaignRun {
  readonly directory: string
  readonly #server: PostgresServer | undefined
  readonly #relays: readonly Relay[]
  readonly #random: () => number

  private constructor(
    directory: string,
    relays: readonly Relay[],
    random: () => number,
    server: PostgresServer | undefined,
  ) {
    this.directory = directory
    this.#server = server
    this.#relays = relays
    this.#random = random
  }

  /** @param server to be removed with the campaign */
  static async prepare(random: () => number, uri: string, server?: PostgresServer): Promise<ClusterRun> {
    await buildProgram()
    const first = new Installation()
    const address = await first.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    usePostgres(first, uri)
    const relays = [new Relay(first, address), new Relay(...(await copyOf(first, address)))]
    relays.push(new Relay(...(await copyOf(first, address)), WORKERS))
    const run = new ClusterRun(first.root, relays, random, server)
    for (const relay of relays) await relay.start('--confirm-migrations', 'up')
    return run
  }

  async round(index: number): Promise<Record<string, number>> {
    const creator = await this.#connect()
    const queues = await Promise.all(Array.from({ length: QUEUES }, () => creator.createQueue({ subscribe: false })))
    const pairs = queues.map((queue, at) => new Pair(queue, `${index}/${at}`, () => this.#connect()))
    const ended = Promise.all(pairs.map((pair) => pair.run()))
    // Whoever fails is told of once the process was killed.
    ended.catch(() => undefined)
    const sum = (count: (pair: Pair) => number): number => pairs.reduce((total, pair) => total + count(pair), 0)
    const killAt = this.#random() * LATEST * QUEUES * MESSAGES
    while (sum(({ promised }) => promised.length) < killAt) await Promise.race([sleep(2), ended])
    const [victim = 'relay'] = VICTIMS.slice(index % VICTIMS.length)
    const relay = this.#any(this.#relays.filter(({ hasWorkers }) => hasWorkers === (victim !== 'relay')))
    const restarted = relay.kill(victim, this.#random)
    restarted.catch(() => undefined)
    await ended
    for (const pair of pairs) pair.check()
    const restartMs = await restarted
    await creator.close()
    const last = await this.#connect()
    for (const queue of queues) {
      const { type } = await last.del(queue)
      if (type !== 'OK') throw new Error(`a queue cannot be deleted: ${type}`)
    }
    await last.close()
    return {
      promised: sum(({ promised }) => promised.length),
      repeated: sum(({ repeated }) => repeated),
      lostConnections: sum(({ lostConnections }) => lostConnections),
      restartMs,
    }
  }

  async end(keepFiles: boolean): Promise<void> {
    for (const { installation } of this.#relays) await installation.remove(keepFiles)
    await this.#server?.remove()
  }

  #any<T>(list: readonly T[]): T {
    const one = list[Math.floor(this.#random() * list.length)]
    if (one === undefined) throw new Error('there is nothing to choose from')
    return one
  }

  /** A client of any relay that runs. */
  async #connect(): Promise<SmpClient> {
    for (const end = performance.now() + PATIENCE_MS; ;) {
      try {
        return await connectClient(this.#any(this.#relays).address, { requestTimeoutMs: PATIENCE_MS })
      } catch (error) {
        if (performance.now() > end) throw error
        await sleep(20)
      }
    }
  }
}

/** One installation, and its processes. */
class Relay {
  readonly installation: Installation
  readonly address: RelayAddress
  readonly #workers: number
  #running: RunningCommand | undefined

  constructor(installation: Installation, address: RelayAddress, workers = 1) {
    this.installation = installation
    this.address = address
    this.#workers = workers
  }

  async start(...options: readonly string[]): Promise<void> {
    this.#running = this.installation.start(['start', '--workers', String(this.#workers), ...options])
    await this.#running.shows(/Listening on port/, START_MS)
  }

  get hasWorkers(): boolean {
    return this.#workers > 1
  }

  /**
   * Kills one of its processes.
   *
   * @returns how long it took until all were there again, milliseconds
   */
  async kill(victim: (typeof VICTIMS)[number], random: () => number): Promise<number> {
    const killedAt = performance.now()
    const running = this.#running
    if (running?.pid === undefined) throw new Error('the relay does not run')
    const { pid } = running
    if (victim !== 'worker') {
      running.kill('SIGKILL')
      await running.ended()
      await this.start()
    } else {
      const before = childrenOf(pid)
      const worker = before[Math.floor(random() * before.length)]
      if (worker === undefined) throw new Error('the relay has no workers')
      process.kill(worker, 'SIGKILL')
      const isComplete = (now: readonly number[]): boolean => now.length === before.length && !now.includes(worker)
      while (!isComplete(childrenOf(pid))) await sleep(50)
    }
    return performance.now() - killedAt
  }
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim() === '' ? [] : text.trim().split(' ').map(Number)
}

/** A sender and a recipient of one queue, each with one connection at a time. */
class Pair {
  /** What got OK, in the order in which it was sent. */
  readonly promised: string[] = []
  lostConnections = 0
  /** What arrived on each connection of the recipient. */
  readonly #arrived: string[][] = []
  readonly #queue: Queue
  readonly #name: string
  readonly #connect: () => Promise<SmpClient>

  constructor(queue: Queue, name: string, connect: () => Promise<SmpClient>) {
    this.#queue = queue
    this.#name = name
    this.#connect = connect
  }

  async run(): Promise<void> {
    await Promise.all([this.#send(), this.#receive()])
  }

  /** How many messages came more than once. */
  get repeated(): number {
    const all = this.#arrived.flat()
    return all.length - new Set(all).size
  }

  /** @throws Error when something was lost, doubled or out of order */
  check(): void {
    const facts = (): string => JSON.stringify({ promised: this.promised, arrived: this.#arrived })
    const all = new Set(this.#arrived.flat())
    const lost = this.promised.filter((text) => !all.has(text))
    if (lost.length > 0) throw new Error(`lost: ${lost.join(', ')}: ${facts()}`)
    for (const [at, texts] of this.#arrived.entries()) {
      if (new Set(texts).size < texts.length) throw new Error(`doubled on one connection: ${facts()}`)
      const numbers = this.#numbersOf(texts)
      if (numbers.some((number, place) => number < (numbers[place - 1] ?? 0)))
        throw new Error(`out of order on one connection: ${facts()}`)
      // What comes again comes from some message on, without gaps.
      const [first = Infinity] = numbers
      const before = this.#numbersOf(this.#arrived.slice(0, at).flat())
      const from = new Set(this.#numbersOf(this.#arrived.slice(at).flat()))
      if (before.some((number) => number >= first && !from.has(number)))
        throw new Error(`come again with gaps: ${facts()}`)
    }
  }

  /** Places in the order of what got OK. */
  #numbersOf(texts: readonly string[]): number[] {
    return texts.map((text) => this.promised.indexOf(text)).filter((place) => place >= 0)
  }

  async #send(): Promise<void> {
    let client = await this.#connect()
    const send = async (text: string): Promise<boolean> => {
      const reply = await client.send(this.#queue, text)
      return reply.type === 'OK'
    }
    for (let number = 0; number < MESSAGES; number += IN_FLIGHT) {
      const texts = Array.from({ length: IN_FLIGHT }, (_, at) => `${this.#name} ${number + at}`)
      const replies = await Promise.allSettled(texts.map(send))
      for (const [at, reply] of replies.entries()) {
        if (reply.status === 'fulfilled' && reply.value) this.promised.push(texts[at] ?? '')
      }
      if (replies.some(({ status }) => status === 'rejected')) client = await this.#anew(client)
    }
    for (;;) {
      const isPromised = await send(LAST).catch(() => undefined)
      if (isPromised === true) break
      if (isPromised === undefined) client = await this.#anew(client)
    }
    await client.close()
  }

  async #receive(): Promise<void> {
    for (let client = await this.#connect(); ; client = await this.#anew(client)) {
      const arrived: string[] = []
      this.#arrived.push(arrived)
      const hasEnded = await this.#receiveAt(client, arrived).catch((error: unknown) => {
        if (client.session.stream.open) throw error
        return false
      })
      if (!hasEnded) continue
      await client.close()
      return
    }
  }

  async #receiveAt(client: SmpClient, arrived: string[]): Promise<boolean> {
    const lost = client.closed.then(() => Promise.reject(new Error('the connection was lost')))
    lost.catch(() => undefined)
    const { type } = await client.sub(this.#queue)
    if (type !== 'SOK' && type !== 'OK') throw new Error(`SUB was answered with ${type}`)
    let message = await Promise.race([client.receive(this.#queue, PATIENCE_MS), lost])
    for (;;) {
      const text = message.type === 'message' ? message.body.toString() : message.type
      if (text === LAST) return true
      arrived.push(text)
      const reply = await client.ack(this.#queue, message.id)
      message =
        reply.type === 'MSG'
          ? client.read(this.#queue, reply)
          : await Promise.race([client.receive(this.#queue, PATIENCE_MS), lost])
    }
  }

  async #anew(client: SmpClient): Promise<SmpClient> {
    this.lostConnections++
    await client.close()
    return await this.#connect()
  }
}
