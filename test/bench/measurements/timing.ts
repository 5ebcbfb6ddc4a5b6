import { withRelay } from '../stage.ts'
import { median, medianRatio } from '../statistics.ts'
import type { Measurement } from './measurement.ts'

const SAMPLES_PER_SECOND = 150
const auths = ['ed25519', 'ed448', 'x25519'] as const
const commands = ['SUB', 'SEND'] as const

export const timing: Measurement = {
  name: 'timing',
  title: 'ERR AUTH for a wrong key on a queue that exists against an id that does not',
  async run(report, { seconds }) {
    await withRelay(async ({ address, load }) => {
      const client = load()
      for (const auth of auths) {
        for (const command of commands) {
          const samples = Math.ceil(seconds * SAMPLES_PER_SECOND)
          const { known, unknown } = await client.call('guess', { address, auth, command, samples })
          const { ratio, low, high } = medianRatio(known, unknown)
          report.add({
            name: `${command}, ${auth}: difference of the medians`,
            value: Math.abs(ratio - 1) * 100,
            unit: '%',
            aim: { atMost: 10 },
            note: `known ${median(known).toFixed(0)} µs, unknown ${median(unknown).toFixed(0)} µs, ratio ${ratio.toFixed(3)}, 95% ${low.toFixed(3)}-${high.toFixed(3)}`,
          })
        }
      }
    })
  },
}
