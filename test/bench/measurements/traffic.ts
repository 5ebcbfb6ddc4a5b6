import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../child.ts'
import type { LoadCalls } from '../load-process.ts'
import type { RelayCalls, Usage } from '../relay-process.ts'
import { withRelay } from '../stage.ts'
import type { Settings } from './measurement.ts'

const LOAD_PROCESSES = 2
const BUSY_PAIRS = 32
/** Messages of each busy pair that are under way. */
const WINDOW = 4
const CALM_PAIRS = 300
const WARM_UP_MS = 1000

export interface Traffic {
  readonly auth: 'ed25519' | 'x25519'
  readonly bodySize: number
}

export interface TrafficResult {
  readonly perSecond: number
  /** Relay's processor time for each message, ms. */
  readonly userMs: number
  readonly systemMs: number
  /** The part of it that its main thread used. */
  readonly mainMs: number
  /** Processors that the relay used. */
  readonly processors: number
  /** Blocks that the relay received and sent for each message. */
  readonly blocksIn: number
  readonly blocksOut: number
  /** Most memory of the relay, bytes. */
  readonly peakMemory: number
}

const TLS_BLOCK_SIZE = 16_384

/** Opens the pairs, half of them in each process. */
export const openPairs = async (
  loads: readonly Child<LoadCalls>[],
  options: Parameters<LoadCalls['openPairs']>[0],
): Promise<void> => {
  const count = Math.ceil(options.count / loads.length)
  await Promise.all(loads.map((load) => load.call('openPairs', { ...options, count })))
}

/** As many messages as the relay takes, through a few pairs with several messages under way each. */
export const saturate = (traffic: Traffic, settings: Settings, label: string): Promise<TrafficResult> =>
  measure(traffic, settings, label, BUSY_PAIRS, (load) => load.call('pump', { window: WINDOW }))

/** A message a second through each of many pairs, which is more like what most relays see. */
export const trickle = (traffic: Traffic, settings: Settings, label: string): Promise<TrafficResult> =>
  measure(traffic, settings, label, CALM_PAIRS, (load) => load.call('pace', { perSecond: CALM_PAIRS / LOAD_PROCESSES }))

const measure = (
  traffic: Traffic,
  settings: Settings,
  label: string,
  pairs: number,
  begin: (load: Child<LoadCalls>) => Promise<void>,
): Promise<TrafficResult> =>
  withRelay(async ({ relay, address, load }) => {
    const loads = Array.from({ length: LOAD_PROCESSES }, load)
    await openPairs(loads, { ...traffic, address, count: pairs })
    await Promise.all(loads.map(begin))
    await sleep(WARM_UP_MS)
    const { profileDirectory } = settings
    if (profileDirectory !== undefined) await relay.call('startProfile')
    const measured = await between(relay, loads, settings.seconds)
    if (profileDirectory !== undefined)
      await relay.call('stopProfile', { path: join(profileDirectory, `messages-${label}.cpuprofile`) })
    await Promise.all(loads.map((one) => one.call('stopPairs')))
    return { ...measured, peakMemory: await relay.call('peakMemory') }
  })

const between = async (
  relay: Child<RelayCalls>,
  loads: readonly Child<LoadCalls>[],
  seconds: number,
): Promise<Omit<TrafficResult, 'peakMemory'>> => {
  const look = (): Promise<[Usage, ...Awaited<ReturnType<LoadCalls['pairCounts']>>[]]> =>
    Promise.all([relay.call('usage'), ...loads.map((load) => load.call('pairCounts'))])
  const [usageBefore, ...before] = await look()
  await sleep(seconds * 1000)
  const [usageAfter, ...after] = await look()
  let perSecond = 0
  let blocksIn = 0
  let blocksOut = 0
  let completed = 0
  for (const [index, end] of after.entries()) {
    const start = before[index]
    if (!start) throw new Error('a process is missing')
    const messages = end.completed - start.completed
    completed += messages
    perSecond += messages / ((end.atMs - start.atMs) / 1000)
    blocksIn += end.blocksSent - start.blocksSent
    blocksOut += (end.bytesReceived - start.bytesReceived) / TLS_BLOCK_SIZE
  }
  if (completed === 0) throw new Error('no message came through')
  const elapsedMs = usageAfter.atMs - usageBefore.atMs
  const messages = (perSecond * elapsedMs) / 1000
  const userMs = (usageAfter.userMs - usageBefore.userMs) / messages
  const systemMs = (usageAfter.systemMs - usageBefore.systemMs) / messages
  return {
    perSecond,
    userMs,
    systemMs,
    mainMs: (usageAfter.mainMs - usageBefore.mainMs) / messages,
    processors: ((userMs + systemMs) * messages) / elapsedMs,
    blocksIn: blocksIn / completed,
    blocksOut: blocksOut / completed,
  }
}
