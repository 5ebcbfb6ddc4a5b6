import { beforeEach, describe, expect, it } from 'vitest'
import { MapTable } from '../../../src/store/memory/map-table.ts'
import type { FifoState } from '../../../src/store/tables/codecs.ts'
import { Fifo } from '../../../src/store/tables/fifo.ts'

let states: MapTable<FifoState>
let entries: MapTable<string>
let dropped: MapTable<FifoState>
let lists: Fifo<string>
beforeEach(() => {
  states = new MapTable()
  entries = new MapTable()
  dropped = new MapTable()
  lists = new Fifo(states, entries, dropped)
})

const size = (table: MapTable<unknown>): number => [...table.keys()].length

describe('a list that is dropped', () => {
  it('is empty at once, and its entries are removed a few hundred at a time', () => {
    for (let n = 0; n < 1000; n++) lists.append('list', String(n))
    lists.append('other', 'x')
    expect(lists.drop('list')).toBe(1000)
    expect([lists.size('list'), lists.first('list'), size(entries)]).toEqual([0, undefined, 1001])
    let portions = 0
    for (let before = size(entries); lists.purge(); before = size(entries)) {
      expect(before - size(entries)).toBeLessThanOrEqual(200)
      portions++
    }
    expect([portions, size(entries), size(dropped)]).toEqual([5, 1, 0])
    expect(lists.first('other')).toBe('x')
  })

  it('can be used again before it is purged, and dropped again', () => {
    for (let n = 0; n < 500; n++) lists.append('list', 'old')
    lists.drop('list')
    lists.purge()
    for (let n = 0; n < 300; n++) lists.append('list', 'new')
    expect([...lists.entries('list')]).toEqual(new Array(300).fill('new'))
    lists.drop('list')
    lists.append('list', 'last')
    while (lists.purge());
    expect([[...lists.entries('list')], size(entries)]).toEqual([['last'], 1])
  })

  it('is simply removed when it is short', () => {
    lists.append('list', 'x')
    expect([lists.drop('list'), size(entries), lists.purge()]).toEqual([1, 0, false])
  })
})
