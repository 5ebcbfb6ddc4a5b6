import { X509Certificate } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { SmpClient } from '../client/client.ts'
import { openSession, type RelayAddress } from '../client/connection.ts'
import { makeWebCertificate } from '../client/web-certificate.ts'
import type { WebSocketOptions } from '../client/websocket.ts'
import { pong } from '../conformance/setting.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

// WebSockets of the program as operators run it, with the keys of its INI file.

beforeAll(buildProgram)

let relay: Installation
let port: number
let webSocketPort: number

beforeEach(async () => {
  relay = new Installation()
  port = await freePort()
  webSocketPort = await freePort()
  relay.run(['init', '-y', '-n', 'a.example', '--no-password'])
  setIni('TRANSPORT', 'port', String(port))
  setIni('TRANSPORT', 'listen_host', '127.0.0.1')
  setIni('WEB', 'https', String(port))
})
afterEach(() => relay.remove())

const setIni = (section: string, key: string, value: string): void =>
  writeFileSync(relay.ini, setIniValue(readFileSync(relay.ini, 'utf8'), section, key, value))

const start = async (): Promise<RunningCommand> => {
  const running = relay.start(['start'])
  await running.shows(/Listening on port/)
  return running
}

/** PINGs over a WebSocket; the certificate that the relay showed. */
const pingOver = async (on: number, webSocket: WebSocketOptions = {}): Promise<X509Certificate> => {
  const keyHash = Buffer.from(readFileSync(join(relay.config, 'fingerprint'), 'utf8').trim(), 'base64url')
  const address: RelayAddress = { host: '127.0.0.1', port: on, keyHash }
  const client = new SmpClient(await openSession(address, { webSocket }))
  const certificate = new X509Certificate(client.session.stream.socket.getPeerCertificate().raw)
  expect(await client.ping()).toEqual(pong)
  await client.close()
  return certificate
}

const ownCertificate = (): X509Certificate => new X509Certificate(readFileSync(join(relay.config, 'server.crt')))

it('a relay starts without its web certificate, says so in one line, and speaks SMP over WebSocket', async () => {
  const running = await start()
  expect((await pingOver(port)).raw).toEqual(ownCertificate().raw)
  const { stdout, stderr } = running.output
  const said = stdout.split('\n').filter((line) => line.includes(join(relay.config, 'web.crt')))
  expect(said).toEqual([expect.stringMatching(/^Not serving the web site over HTTPS: waiting for /)])
  expect(stderr).not.toMatch(/WARN.*web certificate/)
})

it('a relay shows its web certificate to clients that name a server, on the port of [WEB] alone', async () => {
  const web = await makeWebCertificate()
  copyFileSync(web.certificate, join(relay.config, 'web.crt'))
  copyFileSync(web.key, join(relay.config, 'web.key'))
  setIni('TRANSPORT', 'port', `${port},${webSocketPort}`)
  const running = await start()
  expect((await pingOver(port)).raw).toEqual(new X509Certificate(web.pem).raw)
  expect((await pingOver(webSocketPort)).raw).toEqual(ownCertificate().raw)
  expect(running.output.stderr).not.toContain('web certificate')
  await web.remove()
})

it('[TRANSPORT] websockets opens ports of their own, with the certificate of SMP', async () => {
  setIni('TRANSPORT', 'websockets', String(webSocketPort))
  const running = await start()
  const lines = running.output.stdout.split('\n')
  const first = lines.indexOf(`Serving SMP protocol on port ${port} (TLS)...`)
  expect(lines[first + 1]).toBe(`Serving SMP protocol on port ${webSocketPort} (WebSockets)...`)
  for (const serverName of ['relay.test', '']) {
    expect((await pingOver(webSocketPort, { serverName })).raw).toEqual(ownCertificate().raw)
  }
})

it('[TRANSPORT] websockets on a port of SMP changes nothing', async () => {
  setIni('TRANSPORT', 'websockets', String(port))
  const running = await start()
  expect(running.output.stdout).not.toContain('WebSockets')
})

it('a port of [TRANSPORT] websockets that is in use is left out', async () => {
  const other = createServer()
  await new Promise<void>((done) => other.listen(webSocketPort, '127.0.0.1', done))
  setIni('TRANSPORT', 'websockets', String(webSocketPort))
  const running = await start()
  await new Promise((done) => other.close(done))
  expect(running.output.stderr).toContain(`Cannot listen on port ${webSocketPort}`)
  expect(running.output.stdout).not.toContain('WebSockets')
  await pingOver(port)
})
