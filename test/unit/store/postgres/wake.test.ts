import { describe, expect, it } from 'vitest'
import type { RcvId } from '../../../../src/protocol/ids.ts'
import { parseWakes, wakePayloads, wakeText } from '../../../../src/store/postgres/wake.ts'
import type { Wake } from '../../../../src/store/work.ts'

const wake = (n: number): Wake => ({ kind: 'queue', id: String.fromCharCode(n).repeat(24) as RcvId })

describe('what one relay tells another', () => {
  it('comes out as it went in, in payloads that NOTIFY takes', () => {
    const wakes = Array.from({ length: 256 }, (_, n) => wake(n))
    const payloads = wakePayloads(wakes.map(wakeText))
    expect(payloads).toHaveLength(2)
    for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(8000)
    expect(payloads.flatMap(parseWakes)).toEqual(wakes)
  })

  it('keeps the kinds apart', () => {
    const id = 'x'.repeat(24) as RcvId
    const wakes = (['queue', 'blocked', 'notifier', 'service'] as const).map((kind): Wake => ({ kind, id }))
    expect(wakePayloads(wakes.map(wakeText)).flatMap(parseWakes)).toEqual(wakes)
  })

  it('is left out where it is of a later version', () => {
    expect(parseWakes(`zAAAA ${wakeText(wake(1))}`)).toEqual([wake(1)])
  })
})
