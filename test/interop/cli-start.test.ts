import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
let port: number
beforeEach(async () => {
  relay = new Installation()
  port = await freePort()
})
afterEach(() => relay.remove())

function setIni(section: string, key: string, value: string): void {
  writeFileSync(relay.ini, setIniValue(readFileSync(relay.ini, 'utf8'), section, key, value))
}

function initialize(...args: string[]): void {
  relay.run(['init', '-y', '-n', 'a.example', '--password', 'x', ...args])
  setIni('TRANSPORT', 'port', String(port))
  setIni('TRANSPORT', 'listen_host', '127.0.0.1')
}

/** The ALPN that a relay agrees to, i.e. proof that it serves. */
function negotiated(): Promise<string | false | null> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['smp/1'],
      ecdhCurve: 'X448:X25519',
      sigalgs: 'ed448:ed25519',
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      resolve(socket.alpnProtocol)
      socket.destroy()
    })
  })
}

describe('start', () => {
  test('runs a fresh relay, tells its address, and ends with 0 at SIGINT although more signals come', async () => {
    initialize()
    const running = relay.start(['start', '+RTS', '-N', '-RTS'])
    await running.shows(/Listening on port/)
    expect(await negotiated()).toBe('smp/1')
    running.kill('SIGINT')
    running.kill('SIGINT')
    running.kill('SIGTERM')
    const { status, stdout, stderr } = await running.ended()
    expect(status).toBe(0)
    const fingerprint = readFileSync(join(relay.config, 'fingerprint'), 'utf8').trim()
    const lines = stdout.split('\n')
    expect(lines.slice(1, 6)).toEqual([
      `Fingerprint: ${fingerprint}`,
      `Server address: smp://${fingerprint}:x@a.example:${port}`,
      'Warning: server source code is not specified.',
      "Add 'source_code' property to [INFORMATION] section of INI file.",
      `Store log: ${join(relay.state, 'smp-server-store')}`,
    ])
    expect(lines).toContain(`Serving SMP protocol on port ${port} (TLS)...`)
    expect(stdout).toContain(`Browsers are not served until ${join(relay.config, 'web.crt')}`)
    expect(lines.at(-2)).toBe('creating new queues requires password')
    expect(stderr).toMatch(/Received SIGINT, stopping server\.\.\.\n.*Saving server state\.\.\.\n.*Server stopped\n$/)
  })

  test('ends with 0 at SIGTERM too', async () => {
    initialize()
    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  })

  test('opens no port for maintenance', () => {
    initialize()
    const { status, stdout } = relay.run(['start', '-m'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/Server started in 'maintenance' mode, exiting\n$/)
    expect(stdout).not.toContain('Serving SMP')
  })

  test('names the process that has its port', async () => {
    initialize()
    const other = createServer()
    await new Promise<void>((done) => other.listen(port, done))
    const running = relay.start(['start'])
    const { status, stdout } = await running.ended()
    await new Promise((done) => other.close(done))
    expect(status).toBe(1)
    expect(stdout).toMatch(
      new RegExp(
        `^Error: Cannot listen on port ${port} of 127.0.0.1: it is in use by .* \\(process ${process.pid}\\)\\.$`,
        'm',
      ),
    )
  })

  test('warns about keys that are ignored, and starts', async () => {
    initialize()
    setIni('TRANSPORT', 'socks_proxy', '127.0.0.1:9050')
    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    expect(running.output.stderr).toMatch(/WARN .*socks_proxy belongs to \[PROXY\]/)
  })
})

describe('start refuses', () => {
  test('without a relay', () => {
    expect(relay.run(['start'])).toEqual({
      status: 1,
      stdout: `Error: server is not initialized (${relay.ini} does not exist).\nRun \`smp-server init\`.\n`,
      stderr: '',
    })
  })

  test('a bad value, naming its line', () => {
    initialize()
    setIni('AUTH', 'new_queues', 'yes')
    const { status, stdout } = relay.run(['start'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: .*smp-server\.ini: line \d+: \[AUTH\] new_queues = yes must be on or off\.\n/)
  })

  test('a fingerprint that is not the one of the certificate authority', () => {
    initialize()
    const file = join(relay.config, 'fingerprint')
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
    )
    const { status, stdout, stderr } = relay.run(['start'])
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toMatch(/^Stored fingerprint is invalid\.\n.*bring both back from a backup/)
  })

  test('missing certificates, naming them', () => {
    initialize()
    const key = join(relay.config, 'server.key')
    rmSync(key)
    expect(relay.run(['start']).stdout).toBe(`----------\nError: no SMP credentials: ${key}\n----------\n`)
  })

  test.each([
    ['store_queues', 'database', 'must be journal or database while store_queues is database'],
    ['store_messages', 'journal', 'this server has no journal storage'],
  ])('%s = %s', (key, value, sentence) => {
    initialize()
    setIni('STORE_LOG', key, value)
    const { status, stdout } = relay.run(['start'])
    expect([status, stdout.includes(sentence)]).toEqual([1, true])
  })
})
