import { Child } from '../child.ts'
import type { CryptoFloor, FloorCalls } from '../floor-process.ts'
import type { Report } from '../report.ts'
import type { Measurement } from './measurement.ts'
import { saturate, trickle, type Traffic, type TrafficResult } from './traffic.ts'

const sizes = [
  { label: '16 KB', bodySize: 16_048 },
  { label: '1 KB', bodySize: 1024 },
] as const
const auths = ['x25519', 'ed25519'] as const
const keysOf = { x25519: 'X25519', ed25519: 'Ed25519' } as const

const cryptoFloor = async (traffic: Traffic): Promise<CryptoFloor> => {
  const child = new Child<FloorCalls>('floor-process')
  try {
    return await child.call('cryptoFloor', traffic)
  } finally {
    await child.end()
  }
}

const floorOf = (crypto: CryptoFloor, { blocksIn, blocksOut }: TrafficResult): number =>
  blocksIn * (crypto.openRecord + crypto.openBlock) +
  blocksOut * (crypto.sealBlock + crypto.sealRecord) +
  crypto.verifySend +
  crypto.verifyAck +
  crypto.sealMessage

const print = (report: Report, label: string, whole: TrafficResult, floor: number, isHeadline: boolean): void => {
  const { perSecond, userMs, systemMs, mainMs, processors, blocksIn, blocksOut } = whole
  const cpuMs = userMs + systemMs
  report.add({
    name: `${label}: rate`,
    value: perSecond,
    unit: 'messages/s',
    note: `relay used ${processors.toFixed(2)} processors, at most ${(whole.peakMemory / 1024 ** 2).toFixed(0)} MiB`,
  })
  report.add({
    name: `${label}: relay CPU per message`,
    value: cpuMs,
    unit: 'ms',
    ...(isHeadline && { aim: { atMost: 0.5 }, other: '1.0-1.2 ms (in memory)' }),
    note: `user ${userMs.toFixed(3)}, system ${systemMs.toFixed(3)}; main thread ${mainMs.toFixed(3)}`,
  })
  report.add({
    name: `${label}: of that cryptography`,
    value: floor,
    unit: 'ms',
    note: `${blocksIn.toFixed(2)} blocks in, ${blocksOut.toFixed(2)} out`,
  })
  report.add({ name: `${label}: of that the rest`, value: cpuMs - floor, unit: 'ms' })
}

export const messages: Measurement = {
  name: 'messages',
  title: 'SEND, MSG, ACK; version 19, blocks encrypted, every OK durable; 32 pairs at full load, 300 at one a second',
  async run(report, settings) {
    for (const { label, bodySize } of sizes) {
      for (const auth of auths) {
        const traffic = { auth, bodySize }
        const whole = await saturate(traffic, settings, `${bodySize}-${auth}`)
        const floor = floorOf(await cryptoFloor(traffic), whole)
        print(report, `${label}, ${keysOf[auth]}`, whole, floor, bodySize === 16_048)
      }
    }
    const traffic = { auth: 'x25519', bodySize: 16_048 } as const
    const whole = await trickle(traffic, settings, 'calm')
    const floor = floorOf(await cryptoFloor(traffic), whole)
    print(report, '16 KB, X25519, 300 calm pairs', whole, floor, false)
  },
}
