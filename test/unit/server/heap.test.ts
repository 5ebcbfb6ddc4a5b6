import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Heap } from '../../../src/server/heap.ts'

it('a heap gives out by key, and of equal keys in the order of pushing', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.array(fc.integer({ min: 0, max: 20 })), (first, then) => {
      const heap = new Heap<{ key: number; at: number }>()
      const items = first.map((key, at) => ({ key, at }))
      for (const item of items) heap.push(item, item.key)
      const sorted = items.toSorted((a, b) => a.key - b.key || a.at - b.at)
      // Some are taken, others pushed behind them.
      const half = Math.floor(items.length / 2)
      for (const item of sorted.slice(0, half)) expect(heap.pop()).toBe(item)
      const more = then.map((key, at) => ({ key, at: items.length + at }))
      for (const item of more) heap.push(item, item.key)
      const rest = [...sorted.slice(half), ...more].sort((a, b) => a.key - b.key || a.at - b.at)
      expect(heap.size).toBe(rest.length)
      for (const item of rest) expect(heap.pop()).toBe(item)
      expect(heap.pop()).toBeUndefined()
    }),
  )
})
