import { expect, it } from 'vitest'
import type { ContractStore } from './contract-store.ts'
import { contract } from './engines.ts'
import { aMessage, aQueue, marker, msgId, rcvId } from './fixtures.ts'

const q = rcvId(1)
const stored = (wasEmpty: boolean): unknown => ({ stored: true, wasEmpty })
const refused = { stored: false }

async function withQueue(opening: Promise<ContractStore>): Promise<ContractStore> {
  const store = await opening
  await store.addQueue(aQueue(1))
  return store
}

contract('messages', (open) => {
  it('come out in the order in which they were written, byte for byte', async () => {
    const store = await withQueue(open())
    for (let n = 0; n < 100; n++) expect(await store.writeMessage(q, aMessage(n))).toEqual(stored(n === 0))
    for (let n = 0; n < 100; n++) {
      if (n % 7 === 0) await store.flushed()
      expect(await store.firstMessage(q)).toEqual(aMessage(n))
      expect(await store.deleteFirstMessage(q, msgId(n))).toEqual(aMessage(n))
    }
    expect(await store.firstMessage(q)).toBeUndefined()
  })

  it('say whether the queue was empty before', async () => {
    const store = await withQueue(open())
    expect(await store.writeMessage(q, aMessage(1))).toEqual(stored(true))
    await store.flushed()
    expect(await store.writeMessage(q, aMessage(2))).toEqual(stored(false))
    await store.deleteFirstMessage(q, msgId(1))
    await store.deleteFirstMessage(q, msgId(2))
    expect(await store.writeMessage(q, aMessage(3))).toEqual(stored(true))
  })

  it.each([0, 1, 5000, 16_048, 70_000])('may have a body of %i bytes', async (length) => {
    const store = await withQueue(open())
    const message = aMessage(1, { body: Buffer.alloc(length, 0xa5) })
    await store.writeMessage(q, message)
    await store.flushed()
    for (let n = 0; n < 600; n++) await store.writeMessage(q, aMessage(2))
    await store.flushed()
    expect(await store.firstMessage(q)).toEqual(message)
  })

  it('are deleted only by the id of the first one', async () => {
    const store = await withQueue(open())
    await store.writeMessage(q, aMessage(1))
    await store.writeMessage(q, aMessage(2))
    expect(await store.deleteFirstMessage(q, msgId(2))).toBeUndefined()
    await store.flushed()
    expect(await store.deleteFirstMessage(q, msgId(2))).toBeUndefined()
    expect(await store.queueSize(q)).toBe(2)
    expect(await store.deleteFirstMessage(q, msgId(1))).toEqual(aMessage(1))
    expect(await store.deleteFirstMessage(q, msgId(1))).toBeUndefined()
    expect(await store.queueSize(q)).toBe(1)
  })

  it('cannot be found in a queue that is not there', async () => {
    const store = await open()
    expect(await store.firstMessage(q)).toBeUndefined()
    expect(await store.deleteFirstMessage(q, msgId(1))).toBeUndefined()
    expect(await store.queueSize(q)).toBe(0)
    expect(await store.messages(q)).toEqual([])
  })

  it('of one queue do not show in another', async () => {
    const store = await withQueue(open())
    await store.addQueue(aQueue(2))
    await store.writeMessage(q, aMessage(1))
    await store.writeMessage(rcvId(2), aMessage(2))
    await store.flushed()
    expect(await store.messages(q)).toEqual([aMessage(1)])
    expect(await store.messages(rcvId(2))).toEqual([aMessage(2)])
  })

  it('are counted, the marker included', async () => {
    const store = await withQueue(open({ quota: 2 }))
    await store.addQueue(aQueue(2))
    for (let n = 1; n <= 4; n++) await store.writeMessage(q, aMessage(n))
    await store.writeMessage(rcvId(2), aMessage(5))
    await store.flushed()
    expect((await store.counts()).messages).toBe(4)
    expect(await store.queueSize(q)).toBe(3)
    await store.deleteFirstMessage(q, msgId(1))
    expect((await store.counts()).messages).toBe(3)
  })
})

contract('quota', (open) => {
  it('puts a marker in the place of the message that is one too many, and then takes nothing', async () => {
    const store = await withQueue(open({ quota: 2 }))
    expect(await store.writeMessage(q, aMessage(1))).toEqual(stored(true))
    expect(await store.writeMessage(q, aMessage(2))).toEqual(stored(false))
    expect(await store.writeMessage(q, aMessage(3))).toEqual(refused)
    await store.flushed()
    expect(await store.writeMessage(q, aMessage(4))).toEqual(refused)
    expect(await store.messages(q)).toEqual([aMessage(1), aMessage(2), marker(3)])
  })

  it('stays closed until the marker too has been received', async () => {
    const store = await withQueue(open({ quota: 2 }))
    for (let n = 1; n <= 3; n++) await store.writeMessage(q, aMessage(n))
    await store.deleteFirstMessage(q, msgId(1))
    expect(await store.writeMessage(q, aMessage(4))).toEqual(refused)
    await store.deleteFirstMessage(q, msgId(2))
    await store.flushed()
    expect(await store.writeMessage(q, aMessage(5))).toEqual(refused)
    expect(await store.queueSize(q)).toBe(1)
    expect(await store.deleteFirstMessage(q, msgId(3))).toEqual(marker(3))
    expect(await store.writeMessage(q, aMessage(6))).toEqual(stored(true))
    expect(await store.messages(q)).toEqual([aMessage(6)])
  })

  it('leaves room as long as the queue has not been full', async () => {
    const store = await withQueue(open({ quota: 2 }))
    for (let n = 1; n <= 20; n++) {
      expect(await store.writeMessage(q, aMessage(n))).toEqual(stored(n === 1))
      if (n > 1) await store.deleteFirstMessage(q, msgId(n - 1))
    }
  })

  it('holds 128 messages and a marker by default of the relay', async () => {
    const store = await withQueue(open({ quota: 128 }))
    for (let n = 1; n <= 128; n++) expect(await store.writeMessage(q, aMessage(n))).toMatchObject({ stored: true })
    expect(await store.writeMessage(q, aMessage(129))).toEqual(refused)
    expect(await store.queueSize(q)).toBe(129)
    expect(await store.writeMessage(q, aMessage(130))).toEqual(refused)
    expect(await store.queueSize(q)).toBe(129)
  })
})
