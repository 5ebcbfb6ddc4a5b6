import { describe, expect, it } from 'vitest'
import type { SmpClient } from '../client/client.ts'
import { generateKey } from '../client/keys.ts'
import type { Queue } from '../client/queue.ts'
import { auth, err, ok } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

const setting = withTunedRelay({ quota: 2 })
const versions = [6, 11, 20] as const

/** The JSON text of INFO. */
const infoOf = async (client: SmpClient, queue: Queue): Promise<string> => {
  const reply = await client.que(queue)
  if (reply.type !== 'INFO') throw new Error(`QUE was answered with ${reply.type}`)
  return reply.json
}

const isoOf = (timestamp: number): string => new Date(timestamp * 1000).toISOString().replace('.000', '')

describe.each(versions)('QUE in version %i', (version) => {
  it('tells of a queue that was just created that it is empty, with keys in their order', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    expect(await infoOf(client, queue)).toBe('{"qiSnd":false,"qiNtf":false,"qiSize":0}')
  })

  it('tells whether the sender has a key, and whether there is a notifier', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    await client.key(queue, generateKey('ed25519'))
    expect(await infoOf(client, queue)).toBe('{"qiSnd":true,"qiNtf":false,"qiSize":0}')
    await client.nkey(queue)
    expect(await infoOf(client, queue)).toBe('{"qiSnd":true,"qiNtf":true,"qiSize":0}')
    await client.ndel(queue)
    expect(await infoOf(client, queue)).toBe('{"qiSnd":true,"qiNtf":false,"qiSize":0}')
  })

  it('tells of the subscription of its own connection, and what was delivered to it', async () => {
    const [client, other] = [await setting.connect({ version }), await setting.connect({ version })]
    const queue = await client.createQueue()
    expect(await infoOf(client, queue)).toBe('{"qiSnd":false,"qiNtf":false,"qiSub":{"qSubThread":"noSub"},"qiSize":0}')
    await other.send(queue, 'hello')
    const message = await client.receive(queue)
    const id = message.id.toString('base64')
    const about = `"qiSize":1,"qiMsg":{"msgId":"${id}","msgTs":"${isoOf(message.timestamp)}","msgType":"message"}}`
    expect(await infoOf(client, queue)).toBe(
      `{"qiSnd":false,"qiNtf":false,"qiSub":{"qSubThread":"noSub","qDelivered":"${id}"},${about}`,
    )
    expect(await infoOf(other, queue)).toBe(`{"qiSnd":false,"qiNtf":false,${about}`)
    await client.ack(queue, message.id)
    expect(await infoOf(client, queue)).toBe('{"qiSnd":false,"qiNtf":false,"qiSub":{"qSubThread":"noSub"},"qiSize":0}')
  })

  it('tells that a connection that uses GET may not SUB', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    await client.get(queue)
    expect(await infoOf(client, queue)).toContain('"qiSub":{"qSubThread":"prohibitSub"}')
  })

  it('counts the marker of a full queue, and names it when it is first', async () => {
    const client = await setting.connect({ version })
    const queue = await client.createQueue({ subscribe: false })
    for (const body of ['one', 'two']) expect(await client.send(queue, body)).toEqual(ok)
    expect(await client.send(queue, 'three')).toEqual(err('QUOTA'))
    expect(await infoOf(client, queue)).toContain('"qiSize":3,')
    for (let count = 0; count < 2; count++) {
      const { id } = client.read(queue, await client.get(queue))
      await client.ack(queue, id)
    }
    expect(await infoOf(client, queue)).toMatch(
      /"qiSize":1,"qiMsg":\{"msgId":"[A-Za-z0-9+/]{32}","msgTs":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ","msgType":"quota"\}\}$/,
    )
  })

  it('works on a queue that is off, and is AUTH for anybody but its owner', async () => {
    const client = await setting.connect({ version })
    const [queue, other] = [await client.createQueue({ subscribe: false }), await client.createQueue()]
    expect(await client.off(queue)).toEqual(ok)
    expect(await infoOf(client, queue)).toBe('{"qiSnd":false,"qiNtf":false,"qiSize":0}')
    expect(await client.que({ ...queue, key: other.key })).toEqual(auth)
    expect(await client.que({ ...queue, rcvId: queue.sndId })).toEqual(auth)
  })
})
