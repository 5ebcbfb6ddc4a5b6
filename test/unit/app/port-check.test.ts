import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { checkOptionalPorts, checkPorts } from '../../../src/app/port-check.ts'

const server = createServer()
let port = 0

beforeEach(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  port = address !== null && typeof address === 'object' ? address.port : 0
})

afterEach(() => new Promise((done) => server.close(done)))

it('a port in use is refused, naming the process that listens on it', async () => {
  await expect(checkPorts([port])).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringMatching(
      new RegExp(`^Cannot listen on port ${port}.*: it is in use by .+ \\(process ${process.pid}\\)\\.$`),
    ) as unknown,
  })
})

it('a free port passes, and is free again afterwards', async () => {
  await new Promise((done) => server.close(done))
  await expect(checkPorts([port])).resolves.toEqual({ usable: [port], faults: [] })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
})

it('a port in use is left out when another one is free', async () => {
  const other = createServer()
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
  const address = other.address()
  const free = address !== null && typeof address === 'object' ? address.port : 0
  await new Promise((done) => other.close(done))
  const { usable, faults } = await checkPorts([port, free], '127.0.0.1')
  expect(usable).toEqual([free])
  expect(faults.map(({ code }) => code)).toEqual(['PORT_IN_USE'])
})

it('a port that the relay can do without is left out when it is in use', async () => {
  const { usable, faults } = await checkOptionalPorts([port], '127.0.0.1')
  expect(usable).toEqual([])
  expect(faults.map(({ code }) => code)).toEqual(['PORT_IN_USE'])
})
