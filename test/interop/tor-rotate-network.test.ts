import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { SocksClient } from 'socks'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { replaceKey } from '../../src/tor/setup/replace-key.ts'
import { removeService } from '../../src/tor/onion/service.ts'
import { iniHosts } from '../../src/config/ini-hosts.ts'
import { openKeyBackup, sealKeyBackup } from '../../src/tor/onion/key-backup.ts'
import { OnionSupervisor } from '../../src/tor/supervisor/supervisor.ts'
import { readOnionKey } from '../../src/tor/onion/key.ts'
import { connectOwnTor } from '../../src/tor/process/own-tor.ts'
import { findRemoval, removeOnion } from '../../src/tor/setup/remove.ts'
import { abortRotation, beginRotation, finishRotation } from '../../src/tor/setup/rotate.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { tree } from './tree.ts'

let network: TorNetwork
let files: RelayFiles
let server: Server
let supervisor: OnionSupervisor | undefined
let ports: { virtualPort: number; target: string }[]
beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  files = await RelayFiles.make(relayIni, network.joinTorrc)
  server = createServer((socket) => socket.on('error', () => undefined).end('relay'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ports = [{ virtualPort: 5223, target: `127.0.0.1:${(server.address() as AddressInfo).port}` }]
})
afterAll(async () => {
  await supervisor?.stop()
  server.close()
  await files.remove()
})

/** What a client of the onion service reads, through an ordinary tor of the same network; why not, when it fails. */
async function read(hostname: string): Promise<string> {
  try {
    const { socket } = await SocksClient.createConnection({
      proxy: {
        host: network.socksHost,
        port: network.socksPort,
        type: 5,
        userId: String(Math.random()),
        password: 'x',
      },
      command: 'connect',
      destination: { host: hostname, port: 5223 },
      timeout: 20_000,
    })
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return text
  } catch (error) {
    return String(error)
  }
}

const answers = async (hostname: string): Promise<void> =>
  await expect.poll(() => read(hostname), { timeout: 60_000 }).toBe('relay')

async function startSupervisor(expectedHostname: string): Promise<OnionSupervisor> {
  const started = files.supervisor({ ports, expectedHostname, heartbeatMs: 300 })
  supervisor = started
  started.start()
  await expect.poll(() => started.state.phase, { timeout: 40_000 }).toBe('published')
  return started
}

describe('on a Tor network', () => {
  it('both addresses of a rotation work, and after it only the new one; an aborted rotation leaves the old one', async () => {
    const { hostname: old } = await files.setUp({ ports })
    const kept = await startSupervisor(old)
    await answers(old)

    const { present, next } = await beginRotation(files)
    expect(present.hostname).toBe(old)
    await expect.poll(() => kept.state.nextHostname).toBe(next.hostname)
    await answers(next.hostname)
    await answers(old)
    expect(iniHosts(await files.read()).hosts).toEqual(['relay.example', old, next.hostname])

    await finishRotation(files)
    const control = await connectOwnTor(files.torDirectory)
    if (!control) throw new Error('the supervisor has a tor')
    await removeService(control, present)
    await expect.poll(() => kept.state).toMatchObject({ hostname: next.hostname, nextHostname: undefined, restarts: 0 })
    expect(await control.onions()).toEqual([next.serviceId])
    await answers(next.hostname)
    expect(await read(old)).not.toBe('relay')
    expect(iniHosts(await files.read()).hosts).toEqual(['relay.example', next.hostname])

    const second = await beginRotation(files)
    await answers(second.next.hostname)
    await abortRotation(files)
    await expect.poll(() => control.onions()).toEqual([next.serviceId])
    control.close()

    // Without a relay in between the next tor has both.
    const third = await beginRotation(files)
    await kept.stop()
    await startSupervisor(next.hostname)
    await answers(third.next.hostname)
    await answers(next.hostname)
    await abortRotation(files)
    await supervisor?.stop()
  }, 240_000)

  it('a service that was removed and whose key was restored works at the same address', async () => {
    const { ini, keyFile } = files
    const hostname = (await readOnionKey(keyFile))?.hostname ?? ''
    const kept = await startSupervisor(hostname)
    await answers(hostname)
    const key = await readOnionKey(keyFile)
    if (!key) throw new Error('the relay has a key')
    const backup = await sealKeyBackup(key, 'four words at random')

    const options = files.removal({}, files.ownTor)
    const removal = await findRemoval(options)
    if (!removal) throw new Error('there is something to remove')
    expect(await removeOnion(options, removal, false)).toEqual({ keptAs: [], left: [] })
    expect(await read(hostname)).not.toBe('relay')
    expect(await readFile(ini, 'utf8')).toBe(relayIni)
    expect(Object.keys(tree(join(files.directory, 'etc')))).toEqual(['etc', 'etc/smp-server.ini', 'etc/torrc-extra'])
    await kept.stop()

    const restored = await openKeyBackup(backup, 'four words at random', 'backup')
    await replaceKey({ ini, keyFile, key: restored, force: false })
    expect(await files.setUp({ ports })).toMatchObject({ hostname })
    await startSupervisor(hostname)
    await answers(hostname)
    await supervisor?.stop()
  }, 240_000)
})
