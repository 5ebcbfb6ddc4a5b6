import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { iniValue, setIniValue } from '../../../src/config/ini.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from '../../interop/cli-process.ts'
import { runTorNetwork, torNetworkProgram, type TorNetwork } from '../../tor-network/fixture.ts'
import { atEnd } from '../at-end.ts'
import { OnionClients } from '../load/onion-clients.ts'
import { programOptions } from '../program-options.ts'
import type { Report } from '../report.ts'
import { quantile } from '../statistics.ts'
import type { Measurement } from './measurement.ts'

/*
 * The onion service of the built program on a private Tor network of this machine, each step as an operator takes it.
 */

const SETUPS = 6
const PROOFS = 8
const KILLS = 5
const CONNECTIONS = 12
const MESSAGES = 50

const STEP_MS = 60_000

/** A relay that was just initialised, with the lines that keep its tors in the private network. */
class OnionRelay {
  readonly installation = new Installation({ nodeOptions: programOptions() })
  readonly extra = join(this.installation.root, 'torrc-extra')
  running: RunningCommand | undefined
  readonly #forget = atEnd(() => this.installation.abandon())

  async init(network: TorNetwork, hosts: string): Promise<void> {
    const { ini } = this.installation
    await writeFile(this.extra, `${network.joinTorrc.join('\n')}\n`)
    await this.succeeds(['init', '-y', '-n', '127.0.0.1', '--no-password'])
    const settings: [string, string][] = [
      ['host', hosts],
      ['port', String(await freePort())],
      ['listen_host', '127.0.0.1'],
    ]
    const text = await readFile(ini, 'utf8')
    await writeFile(
      ini,
      settings.reduce((now, [key, value]) => setIniValue(now, 'TRANSPORT', key, value), text),
    )
  }

  setup(...options: string[]): RunningCommand {
    return this.installation.start(['tor', 'setup', '--own', '-y', '--torrc-extra', this.extra, ...options])
  }

  /** Runs a command without holding this process up; its standard output. */
  async succeeds(args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.installation.start(args).ended()
    if (status !== 0) throw new Error(`smp-server ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
    return stdout
  }

  async start(): Promise<void> {
    this.running = this.installation.start(['start'])
    await this.running.shows(published, STEP_MS)
  }

  get publications(): number {
    return this.running?.output.stderr.split(published).length ?? 0
  }

  async onion(): Promise<{ host: string; keyHash: Buffer }> {
    const { ini, config } = this.installation
    const hosts = (iniValue(await readFile(ini, 'utf8'), 'TRANSPORT', 'host') ?? '').split(',')
    const keyHash = Buffer.from((await readFile(join(config, 'fingerprint'), 'utf8')).trim(), 'base64url')
    return { host: hosts.find((host) => host.endsWith('.onion')) ?? '', keyHash }
  }

  async remove(): Promise<void> {
    this.#forget()
    this.running?.kill('SIGINT')
    await this.running?.ended()
    await this.installation.remove()
  }
}

const published = /onion service: published/

interface SetupTimes {
  readonly named: number
  readonly bootstrapped: number
  readonly uploaded: number
  /** The last line but the picture: the whole address. */
  readonly addressed: number
  readonly whole: number
}

/** Seconds of one `tor setup`, from when tor runs; the whole from the start of the command. */
const timeSetup = async (relay: OnionRelay): Promise<SetupTimes> => {
  const began = performance.now()
  const setup = relay.setup()
  const shown = async (pattern: RegExp): Promise<number> => {
    await setup.shows(pattern, STEP_MS)
    return performance.now()
  }
  const tor = await shown(/tor [\d.]+ runs in single-hop mode/)
  const named = await shown(/\[TRANSPORT\] host = \S+\.onion/)
  const connected = await shown(/Connected to the Tor network/)
  const uploaded = await shown(/The Tor network has the descriptor/)
  const addressed = await shown(/^Server address: .*\.onion\S*$/m)
  const { status, stdout, stderr } = await setup.ended()
  if (status !== 0) throw new Error(`no setup:\n${stdout}\n${stderr}`)
  const seconds = (from: number, to: number): number => (to - from) / 1000
  return {
    named: seconds(tor, named),
    bootstrapped: seconds(tor, connected),
    uploaded: seconds(tor, uploaded),
    addressed: seconds(tor, addressed),
    whole: seconds(began, performance.now()),
  }
}

interface CheckTimes {
  readonly tor: number
  readonly proof: number
}

/** Seconds of one `tor check`: its own tor client until it is connected, and the proof. */
const timeProof = async (relay: OnionRelay): Promise<CheckTimes> => {
  const { proofs } = JSON.parse(await relay.succeeds(['tor', 'check', '--json'])) as {
    proofs: { ms: number; steps: { name: string; ms?: number }[] }[]
  }
  const [proof] = proofs
  if (!proof) throw new Error('no proof')
  return { proof: proof.ms / 1000, tor: (proof.steps.find(({ name }) => name === 'tor')?.ms ?? 0) / 1000 }
}

/** Seconds from the end of the relay's tor until its service is published again. */
const timeRecovery = async (relay: OnionRelay): Promise<number> => {
  const before = relay.publications
  const status = await relay.installation.start(['tor', 'status']).ended()
  const pid = Number(/tor .*process (\d+)/.exec(status.stdout)?.[1])
  if (!(pid > 1)) throw new Error(`tor status names no process:\n${status.stdout}`)
  const killed = performance.now()
  process.kill(pid, 'SIGKILL')
  while (relay.publications === before) {
    if (performance.now() - killed > STEP_MS) throw new Error('the service was not published again')
    await sleep(10)
  }
  return (performance.now() - killed) / 1000
}

/** Seconds that a bare tor with the same mode and the same knowledge of the network needs to be connected. */
const timeBootstrap = async (relay: OnionRelay, network: TorNetwork): Promise<number> => {
  const directory = await mkdtemp(join(tmpdir(), 'smp-bench-tor-'))
  const known = join(relay.installation.state, 'tor')
  const isCache = (path: string): boolean => path === known || /^(cached-|state$|keys)/.test(basename(path))
  await cp(known, join(directory, 'data'), { recursive: true, filter: isCache })
  const lines = [
    `DataDirectory ${join(directory, 'data')}`,
    'SocksPort 0',
    'HiddenServiceNonAnonymousMode 1',
    'HiddenServiceSingleHopMode 1',
    'Log notice stdout',
    ...network.joinTorrc,
  ]
  await writeFile(join(directory, 'torrc'), `${lines.join('\n')}\n`)
  const began = performance.now()
  const tor = spawn('tor', ['--defaults-torrc', '/dev/null', '-f', join(directory, 'torrc')])
  const forget = atEnd(() => tor.kill('SIGKILL'))
  const ended = new Promise((resolve) => tor.once('close', resolve))
  const timer = setTimeout(() => tor.kill('SIGKILL'), STEP_MS)
  try {
    for await (const line of createInterface({ input: tor.stdout })) {
      if (line.includes('Bootstrapped 100%')) return (performance.now() - began) / 1000
    }
    throw new Error('a bare tor did not connect')
  } finally {
    clearTimeout(timer)
    tor.kill('SIGKILL')
    await ended
    forget()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Adds p50 and p99 of some seconds or milliseconds; the aim counts for both unless it is for the median. */
const print = (
  report: Report,
  name: string,
  samples: readonly number[],
  { unit = 's', aim, medianOnly = false }: { unit?: string; aim?: number; medianOnly?: boolean } = {},
): void => {
  const wanted = aim === undefined ? {} : { aim: { atMost: Number(aim.toFixed(2)) } }
  const note = `${samples.length} times`
  report.add({ name: `${name}, p50`, value: quantile(samples, 0.5), unit, ...wanted, note })
  report.add({ name: `${name}, p99`, value: quantile(samples, 0.99), unit, ...(medianOnly ? {} : wanted) })
}

const times = async <T>(count: number, act: () => Promise<T>): Promise<T[]> => {
  const results: T[] = []
  for (let round = 0; round < count; round++) results.push(await act())
  return results
}

const measureSetups = async (report: Report, network: TorNetwork): Promise<OnionRelay> => {
  const all: SetupTimes[] = []
  for (;;) {
    const relay = new OnionRelay()
    await relay.init(network, '127.0.0.1')
    all.push(await timeSetup(relay))
    if (all.length < SETUPS) {
      await relay.remove()
      continue
    }
    const of = (part: keyof SetupTimes): number[] => all.map((one) => one[part])
    print(report, 'setup: tor runs until its onion name is printed', of('named'), { aim: 2 })
    print(report, 'setup: tor runs until the network has it', of('uploaded'), { aim: 5 })
    print(report, 'setup: of that, a new tor connecting', of('bootstrapped'))
    print(report, 'setup: tor runs until the end, with the whole address', of('addressed'))
    print(report, 'setup: the whole command', of('whole'))
    return relay
  }
}

const measureRelay = async (report: Report, network: TorNetwork, relay: OnionRelay): Promise<void> => {
  await relay.start()
  const proofs = await times(PROOFS, () => timeProof(relay))
  print(
    report,
    'proof from outside',
    proofs.map(({ proof }) => proof),
    { aim: 1, medianOnly: true },
  )
  print(
    report,
    'before it, the start of a tor client',
    proofs.map(({ tor }) => tor),
  )
  const bootstraps = await times(KILLS, () => timeBootstrap(relay, network))
  const recoveries = await times(KILLS, () => timeRecovery(relay))
  print(report, 'a bare tor connecting, with what it knew', bootstraps)
  print(report, 'tor killed until published again', recoveries, { aim: quantile(bootstraps, 0.5) + 3 })
}

const measureModes = async (report: Report, network: TorNetwork, relay: OnionRelay): Promise<void> => {
  const anonymous = new OnionRelay()
  try {
    await anonymous.init(network, '<hostnames>')
    await anonymous.setup('--onion-only').ended()
    await anonymous.start()
    const modes = [
      { name: 'single-hop', clients: new OnionClients(await relay.onion(), network) },
      { name: 'ordinary', clients: new OnionClients(await anonymous.onion(), network) },
    ]
    // In turn, so that both see the same machine.
    for (let round = 0; round < CONNECTIONS; round++) for (const { clients } of modes) await clients.connect()
    for (let round = 0; round < MESSAGES; round++) for (const { clients } of modes) await clients.passMessage()
    for (const { name, clients } of modes) {
      const { connectMs, messageMs } = clients
      print(report, `${name}: connecting, a circuit of its own`, connectMs, { unit: 'ms' })
      print(report, `${name}: 16 KB from sender to recipient`, messageMs, { unit: 'ms' })
      await clients.close()
    }
  } finally {
    await anonymous.remove()
  }
}

export const tor: Measurement = {
  name: 'tor',
  title: 'the onion service of the built program, on a private Tor network of this machine',
  limitSeconds: 420,
  async run(report) {
    await buildProgram()
    const directory = await mkdtemp(join(tmpdir(), 'smp-net-'))
    const place = join(directory, 'network')
    const forget = atEnd(() => {
      spawnSync(process.execPath, [torNetworkProgram, 'down', place])
      rmSync(directory, { recursive: true, force: true })
    })
    const network = JSON.parse(await runTorNetwork(['up', place, '--owner', String(process.pid)])) as TorNetwork
    let relay: OnionRelay | undefined
    try {
      relay = await measureSetups(report, network)
      await measureRelay(report, network, relay)
      await measureModes(report, network, relay)
    } finally {
      await relay?.remove()
      await runTorNetwork(['down', place])
      await rm(directory, { recursive: true, force: true })
      forget()
    }
  },
}
