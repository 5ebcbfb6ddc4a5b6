import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkPorts } from '../../../src/cli/port-check.ts'
import { listeningInodes, portHolder } from '../../../src/cli/port-holder.ts'

const server = createServer()
let port = 0

beforeEach(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  port = address !== null && typeof address === 'object' ? address.port : 0
})

afterEach(() => new Promise((done) => server.close(done)))

test('a port in use is refused with the name of the process that has it', async () => {
  await expect(checkPorts([port])).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringMatching(
      new RegExp(`^Port ${port} is in use by .+ \\(process ${process.pid}\\)\\.$`),
    ) as unknown,
  })
})

test('a free port passes, and is free again afterwards', async () => {
  await new Promise((done) => server.close(done))
  await expect(checkPorts([port])).resolves.toEqual({ usable: [port], forbidden: [] })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
})

test('a port that nobody listens on has no holder', async () => {
  await new Promise((done) => server.close(done))
  await expect(portHolder(port)).resolves.toBeUndefined()
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
})

test('only listening sockets of the port are taken from the table', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1467 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
   1: 0100007F:1467 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1
   2: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1
`
  expect(listeningInodes(table, 5223)).toEqual(['4711'])
  expect(listeningInodes(table, 443)).toEqual(['4713'])
})
