import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { listeningInodes, portHolder } from '../../../src/transport/port-holder.ts'

describe('port-holder', () => {
  it('the holder of a port is read from rows that listen on exactly this port', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1467 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0',
      '   1: 0100007F:1467 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0',
      '   2: 0100007F:0467 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0',
      '',
    ].join('\n')
    expect(listeningInodes(table, 5223)).toEqual(['111'])
    expect(listeningInodes(table, 1127)).toEqual(['333'])
    expect(listeningInodes('', 5223)).toEqual([])
  })

  it('the holder of a port is this process when this process listens, by the name of its program', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(address !== null && typeof address === 'object' ? address.port : 0)
      })
    })
    try {
      expect(await portHolder(port)).toEqual({ pid: process.pid, name: 'node' })
    } finally {
      server.close()
    }
  })

  it('the holder of a port is unknown when nobody listens, or where there is no /proc', async () => {
    expect(await portHolder(1)).toBeUndefined()
    expect(await portHolder(1, '/nonexistent')).toBeUndefined()
  })
})
