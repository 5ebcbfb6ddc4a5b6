import { expect, it } from 'vitest'
import { UniqueQueue } from '../../../src/server/unique-queue.ts'

it('a unique queue gives out in the order of adding, and each item once', () => {
  const queue = new UniqueQueue<string>()
  for (const item of ['a', 'b', 'a', 'c']) queue.add(item)
  queue.delete('b')
  expect(queue.size).toBe(2)
  expect([queue.take(), queue.take(), queue.take()]).toEqual(['a', 'c', undefined])
})

it('a unique queue takes in again what was taken or cleared', () => {
  const queue = new UniqueQueue<string>()
  queue.add('a')
  expect(queue.take()).toBe('a')
  queue.add('a')
  queue.clear()
  queue.add('b')
  queue.add('a')
  expect([queue.take(), queue.take(), queue.take()]).toEqual(['b', 'a', undefined])
})

it('a unique queue of 200,000 items is emptied in time', () => {
  const queue = new UniqueQueue<number>()
  for (let item = 0; item < 200_000; item++) queue.add(item)
  let taken = 0
  while (queue.take() !== undefined) taken++
  expect(taken).toBe(200_000)
})
