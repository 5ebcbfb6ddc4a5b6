import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { buildProgram, Installation, type RunningCommand } from '../interop/cli-process.ts'
import { runTorNetwork, type TorNetwork } from '../tor-network/fixture.ts'
import type { OnionStatus } from '../../src/tor/supervisor/status-facts.ts'
import { isSetupUnfinished } from '../../src/tor/setup/journal.ts'
import { type Campaign, type CampaignRun, randomFrom } from './campaign.ts'

/*
 * The onion service of the built program on a private Tor network. Whether it is there is asked of an independent client,
 * an ordinary tor with a SOCKS port: TLS, handshake and PING through it, on a circuit of its own each time.
 */

/** How long a client tries at most. */
const PATIENCE_MS = 120_000
const ADDRESS = /^host = .*?([a-z2-7]{56}\.onion)/m

/** One relay on the network. */
class OnionRelay {
  readonly relay = new Installation()
  readonly network: TorNetwork
  #address: RelayAddress | undefined
  #running: RunningCommand | undefined

  constructor(network: TorNetwork) {
    this.network = network
  }

  async make(): Promise<void> {
    this.#address = await this.relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    await writeFile(this.#extra, `${this.network.joinTorrc.join('\n')}\n`)
    await this.start()
  }

  get #extra(): string {
    return join(this.relay.root, 'torrc-extra')
  }

  async start(): Promise<void> {
    this.#running = this.relay.start(['start'])
    await this.#running.shows(/Listening on port/)
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#running?.kill(signal)
    await this.#running?.ended()
  }

  /** Runs `tor setup`; one that is interrupted may end in any way. */
  setup(...options: readonly string[]): RunningCommand {
    return this.relay.start(['tor', 'setup', '--own', '-y', '--torrc-extra', this.#extra, ...options])
  }

  async status(): Promise<OnionStatus> {
    const command = this.relay.start(['tor', 'status', '--json'])
    await command.ended()
    return JSON.parse(command.output.stdout) as OnionStatus
  }

  get hostname(): string | undefined {
    return ADDRESS.exec(`host = ${this.relay.value('TRANSPORT', 'host') ?? ''}`)?.[1]
  }

  /** Resolves when a client has come through, in milliseconds since `sinceMs`. */
  async reachedAfter(sinceMs: number): Promise<number> {
    const { socksHost: host, socksPort: port } = this.network
    for (let attempt = 0; ; attempt++) {
      try {
        if (!this.#address || this.hostname === undefined) throw new Error('the relay has no onion address')
        const address = { ...this.#address, host: this.hostname }
        const socks = { host, port, userId: `${sinceMs}`, password: `${attempt}` }
        const client = await connectClient(address, { socks, timeoutMs: 10_000 })
        await client.ping()
        await client.close()
        return performance.now() - sinceMs
      } catch (error) {
        if (performance.now() - sinceMs > PATIENCE_MS) throw error
        await sleep(100)
      }
    }
  }
}

/** @param relays what the round starts; ended with the campaign */
type Round = (network: TorNetwork, random: () => number, relays: OnionRelay[]) => Promise<Record<string, number>>

function onionCampaign(name: string, about: string, round: Round): Campaign {
  return {
    name,
    about,
    rounds: 20,
    prepare: async (seed): Promise<CampaignRun> => {
      await buildProgram()
      const directory = await mkdtemp(join(tmpdir(), 'smp-soak-onion-'))
      const place = join(directory, 'network')
      const network = JSON.parse(await runTorNetwork(['up', place, '--owner', String(process.pid)])) as TorNetwork
      const random = randomFrom(seed)
      const relays: OnionRelay[] = []
      return {
        directory,
        round: () => round(network, random, relays),
        end: async (keepFiles) => {
          for (const { relay } of relays) await relay.remove(keepFiles)
          await runTorNetwork(['down', place])
          if (!keepFiles) await rm(directory, { recursive: true })
        },
      }
    },
  }
}

async function newRelay(network: TorNetwork, relays: OnionRelay[]): Promise<OnionRelay> {
  for (const before of relays.splice(0)) await before.relay.remove()
  const relay = new OnionRelay(network)
  relays.push(relay)
  await relay.make()
  return relay
}

/** The relay of the rounds before, or a new one that is reachable. */
async function reachableRelay(network: TorNetwork, relays: OnionRelay[]): Promise<OnionRelay> {
  const [before] = relays
  if (before) return before
  const relay = await newRelay(network, relays)
  await successful(relay.setup())
  await relay.reachedAfter(performance.now())
  return relay
}

async function successful(command: RunningCommand): Promise<void> {
  const { status } = await command.ended()
  if (status !== 0)
    throw new Error(`the command ended with ${status}:\n${command.output.stdout}${command.output.stderr}`)
}

export const onionCampaigns: readonly Campaign[] = [
  onionCampaign('onion-setup', 'tor setup beside a running relay, then one more option', async (network, _, relays) => {
    const relay = await newRelay(network, relays)
    const sinceMs = performance.now()
    const setup = successful(relay.setup()).then(() => performance.now() - sinceMs)
    const reachedMs = await relay.reachedAfter(sinceMs)
    const setupMs = await setup
    await successful(relay.setup('--pow'))
    await relay.reachedAfter(performance.now())
    return { setupMs, reachedMs }
  }),
  onionCampaign('onion-restart', 'the relay is stopped and started', async (network, _, relays) => {
    const relay = await reachableRelay(network, relays)
    await relay.end('SIGTERM')
    const sinceMs = performance.now()
    await relay.start()
    return { reachedMs: await relay.reachedAfter(sinceMs) }
  }),
  onionCampaign('onion-kill', 'tor is killed (SIGKILL) under the running relay', async (network, _, relays) => {
    const relay = await reachableRelay(network, relays)
    const { facts } = await relay.status()
    const { pid } = facts.find(({ name }) => name === 'tor')?.value as { pid: number }
    const sinceMs = performance.now()
    process.kill(pid, 'SIGKILL')
    // Until then a client may still come in through the tor that is gone.
    await sleep(100)
    return { reachedMs: await relay.reachedAfter(sinceMs) }
  }),
  onionCampaign(
    'onion-interrupted',
    'tor setup is ended (SIGINT or SIGKILL) at any moment, and run again',
    async (network, random, relays) => {
      const relay = await newRelay(network, relays)
      const setup = relay.setup()
      await sleep(300 + random() * 3000)
      setup.kill(random() < 0.5 ? 'SIGINT' : 'SIGKILL')
      await setup.ended()
      const wasNamed = Number(relay.hostname !== undefined)
      await successful(relay.setup())
      const files = await readdir(relay.relay.config)
      const left = files.filter((name) => name.endsWith('.new'))
      if (isSetupUnfinished(join(relay.relay.config, 'onion.key'))) left.push('an unfinished setup')
      if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`)
      return { wasNamed, reachedMs: await relay.reachedAfter(performance.now()) }
    },
  ),
]
