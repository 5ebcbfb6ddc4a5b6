import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkStoreAt } from '../../src/store/check/store-check.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { Random } from '../fuzz/random.ts'
import { buildProgram, Installation } from '../interop/cli-process.ts'
import type { Campaign, CampaignRun } from './campaign.ts'
import type { History } from './power/history.ts'
import { Disk, readRecording, recorder, whyNoRecorder, type Operation } from './power/recording.ts'
import { makeTraffic } from './power/traffic.ts'

/*
 * The built program serves clients while its writes are recorded; then the power is lost at many moments of that record. At
 * each of them every queue has to be as it was after some command that had been sent, and after every one whose reply
 * the client had.
 */

/** Of every sync: a reply that did not wait for it would be with its client long before. */
const SYNC_US = 3000

export interface PowerOptions {
  readonly clients: number
  /** Of each client, about. */
  readonly steps: number
  /** Moments at which the power is lost, in each round. */
  readonly cuts: number
}

/** What one run of the relay wrote, and what its clients were promised meanwhile. */
export interface Recorded {
  readonly before: Buffer
  readonly operations: readonly Operation[]
  readonly histories: readonly History[]
}

export class PowerRun implements CampaignRun {
  readonly relay: Installation
  readonly directory: string
  readonly #address: RelayAddress
  readonly #log: string
  readonly #seed: number
  readonly #options: PowerOptions

  private constructor(relay: Installation, address: RelayAddress, log: string, seed: number, options: PowerOptions) {
    this.relay = relay
    this.directory = relay.root
    this.#address = address
    this.#log = log
    this.#seed = seed
    this.#options = options
  }

  static async prepare(seed: number, options: PowerOptions): Promise<PowerRun> {
    const obstacle = whyNoRecorder()
    if (obstacle !== undefined) throw new Error(obstacle)
    await buildProgram()
    const directory = mkdtempSync(join(tmpdir(), 'smp-power-'))
    const log = join(directory, 'log')
    const variables = Object.entries(recorder(directory, log, SYNC_US)).map((variable) => variable.join('='))
    const relay = new Installation({ within: ['env', ...variables] })
    const address = await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    return new PowerRun(relay, address, log, seed, options)
  }

  get store(): string {
    return join(this.relay.state, 'smp-server-store')
  }

  async round(index: number): Promise<Record<string, number>> {
    const { operations, ...recorded } = await this.record(index)
    const { cuts } = this.#options
    const counts = await this.lose({ operations, ...recorded }, new Random(this.#seed, index), cuts)
    return { ...counts, operations: operations.length, cuts }
  }

  /** Has the relay serve clients, and stops it. */
  async record(index: number): Promise<Recorded> {
    const data = join(this.store, 'data.mdb')
    const before = statSync(data, { throwIfNoEntry: false }) ? readFileSync(data) : Buffer.alloc(0)
    rmSync(this.#log, { force: true })
    const running = this.relay.start(['start'])
    await running.shows(/Listening on port/)
    const { clients, steps } = this.#options
    const histories = await makeTraffic(this.#address, { seed: this.#seed + index, clients, steps })
    running.kill('SIGTERM')
    await running.ended()
    const operations = readRecording(this.#log)
    const disk = new Disk(before)
    for (const operation of operations) disk.run(operation)
    if (!disk.whole().equals(readFileSync(data))) throw new Error('the record is not all that was written')
    return { before, operations, histories }
  }

  /** Loses the power at many moments. @throws Error when a promise is broken */
  async lose(
    { before, operations, histories }: Recorded,
    random: Random,
    cuts: number,
  ): Promise<Record<string, number>> {
    const moments = Array.from({ length: cuts }, () => random.below(operations.length)).sort((a, b) => a - b)
    const disk = new Disk(before)
    let done = 0
    let promised = 0
    for (const moment of moments) {
      for (const operation of operations.slice(done, moment)) disk.run(operation)
      done = moment
      const last = operations[moment]
      const at = last?.at ?? 0n
      const path = this.place(disk.lose(random, last))
      const store = openLmdbStore(path, { quota: 128 })
      try {
        for (const history of histories) {
          history.check(store, at)
          promised += history.promised(at)
        }
      } finally {
        await store.close()
      }
      const { faults } = await checkStoreAt(path)
      if (faults.length > 0) throw new Error(`the store has faults: ${JSON.stringify(faults)}`)
    }
    return { promised }
  }

  /** Starts the relay itself after a loss of power at the end of the record. @throws Error when it does not serve */
  async restart({ before, operations }: Recorded, random: Random): Promise<void> {
    const disk = new Disk(before)
    const cut = operations.length - 1 - random.below(operations.length >> 1)
    for (const operation of operations.slice(0, cut)) disk.run(operation)
    rmSync(this.store, { recursive: true })
    cpSync(this.place(disk.lose(random, operations[cut])), this.store, { recursive: true })
    const running = this.relay.start(['start'])
    await running.shows(/Listening on port/)
    const client = await connectClient(this.#address)
    const queue = await client.createQueue()
    await client.send(queue, 'after')
    await client.receive(queue)
    await client.close()
    running.kill('SIGTERM')
    await running.ended()
  }

  /** A directory with the store as the loss of power left it. */
  place(file: Buffer): string {
    const path = join(this.directory, 'after')
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { mode: 0o700 })
    writeFileSync(join(path, 'data.mdb'), file, { mode: 0o600 })
    return path
  }

  async end(keepFiles: boolean): Promise<void> {
    await this.relay.remove(keepFiles)
    rmSync(join(this.#log, '..'), { recursive: true, force: true })
  }
}

export const powerCampaign: Campaign = {
  name: 'power',
  about: 'loss of power at 100 moments of what the relay wrote, with unsynced writes lost and torn',
  rounds: 40,
  prepare: (seed) => PowerRun.prepare(seed, { clients: 8, steps: 100, cuts: 100 }),
}
