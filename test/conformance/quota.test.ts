import { describe, expect, it } from 'vitest'
import { authAlgs, err, ok, subscribed, versions, withRelay } from './setting.ts'

const quotaExceeded = err('QUOTA')

describe('a relay with a quota of 2', () => {
  const setting = withRelay({ quota: 2 })

  describe.each(versions)('in version %i', (version) => {
    it.each(authAlgs(version))('refuses the third message until the queue was emptied (%s)', async (alg) => {
      const [recipient, sender] = [await setting.connect({ version }), await setting.connect({ version })]
      const queue = await recipient.createQueue({ auth: alg })
      expect(await sender.send(queue, '1')).toEqual(ok)
      expect(await sender.send(queue, '2')).toEqual(ok)
      expect(await sender.send(queue, '3')).toEqual(quotaExceeded)
      const one = await recipient.receive(queue)
      expect(one).toMatchObject({ body: Buffer.from('1') })
      const two = recipient.read(queue, await recipient.ack(queue, one.id))
      expect(two).toMatchObject({ body: Buffer.from('2') })
      expect(await sender.send(queue, '4')).toEqual(quotaExceeded)
      const marker = recipient.read(queue, await recipient.ack(queue, two.id))
      expect(marker).toMatchObject({ type: 'quota' })
      expect(Math.abs(marker.timestamp - Date.now() / 1000)).toBeLessThan(60)
      expect(await sender.send(queue, '5')).toEqual(quotaExceeded)
      expect(await recipient.ack(queue, marker.id)).toEqual(ok)
      expect(await sender.send(queue, '6')).toEqual(ok)
      expect(await recipient.receive(queue)).toMatchObject({ body: Buffer.from('6') })
    })

    it('writes one marker only, and never pushes it', async () => {
      const [recipient, sender] = [await setting.connect({ version }), await setting.connect({ version })]
      const queue = await recipient.createQueue({ subscribe: false })
      for (const body of ['1', '2', '3', '4', '5']) await sender.send(queue, body)
      expect(await recipient.sub(queue)).toEqual(subscribed(version))
      const one = await recipient.receive(queue)
      const two = recipient.read(queue, await recipient.ack(queue, one.id))
      const marker = recipient.read(queue, await recipient.ack(queue, two.id))
      expect(marker.type).toBe('quota')
      expect(await recipient.ack(queue, marker.id)).toEqual(ok)
      await recipient.noEvent()
    })

    it('counts each queue by itself, and takes two again when it was empty', async () => {
      const client = await setting.connect({ version })
      const [one, other] = [await client.createQueue(), await client.createQueue({ subscribe: false })]
      for (let round = 0; round < 3; round++) {
        expect(await client.send(one, 'a')).toEqual(ok)
        expect(await client.send(one, 'b')).toEqual(ok)
        const first = await client.receive(one)
        const second = client.read(one, await client.ack(one, first.id))
        expect(await client.ack(one, second.id)).toEqual(ok)
      }
      expect(await client.send(other, 'a')).toEqual(ok)
    })
  })
})

describe('a relay with the usual quota', () => {
  const setting = withRelay()

  it('takes 128 messages', async () => {
    const client = await setting.connect()
    const queue = await client.createQueue({ subscribe: false })
    const replies = await Promise.all(Array.from({ length: 130 }, (_, index) => client.send(queue, `${index}`)))
    expect(replies.slice(0, 128).every(({ type }) => type === 'OK')).toBe(true)
    expect(replies.slice(128)).toEqual([quotaExceeded, quotaExceeded])
  })
})
