import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { parseServerAddress } from '../../src/protocol/server-address.ts'
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
  setIni('WEB', 'https', String(port))
  setIni('TRANSPORT', 'listen_host', '127.0.0.1')
}

/** The ALPN that a relay agrees to, which shows that it serves. */
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
  it('runs a fresh relay, tells its address, and ends with 0 at SIGINT although another signal comes', async () => {
    initialize()
    const running = relay.start(['start', '+RTS', '-N', '-RTS'])
    await running.shows(/Listening on port/)
    expect(await negotiated()).toBe('smp/1')
    // At the same moment, so that the second one comes while the first is heeded; the system chooses which is which.
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
    expect(stdout).toContain(`Not serving the web site over HTTPS: waiting for ${join(relay.config, 'web.crt')}`)
    expect(stderr).not.toMatch(/WARN.*web certificate/)
    expect(lines.at(-2)).toBe('creating new queues requires password')
    expect(stderr).toMatch(
      /Received SIG(?:INT|TERM), stopping server\.\.\.\n.*Saving server state\.\.\.\n.*Server stopped\n$/,
    )
  })

  it('ends with 0 at SIGTERM too', async () => {
    initialize()
    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  })

  it('opens no port for maintenance', () => {
    initialize()
    const { status, stdout } = relay.run(['start', '-m'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/Server started in 'maintenance' mode, exiting\n$/)
    expect(stdout).not.toContain('Serving SMP')
  })

  it.each([
    ['5223,443', ''],
    ['443,5223', ''],
    ['7000,443', ':7000'],
  ])(
    'prints for the ports %s an address that clients read and the one-liner of the hosting guide finds',
    (ports, port) => {
      initialize()
      setIni('TRANSPORT', 'port', ports)
      const onion = 'e3fsut6v7y3eazdxphueja7n6fbtkolj3fhzqmdq23qr2oxiiejusyid.onion'
      setIni('TRANSPORT', 'host', `a.example,${onion}`)
      const guide = `grep -m1 'Server address:' | awk '{print $NF}' | sed 's/:443.*//'`
      const { stdout } = relay.run(['start', '-m'])
      const found = spawnSync('sh', ['-c', guide], { input: stdout, encoding: 'utf8' }).stdout.trim()
      expect(found).toMatch(new RegExp(`^smp://[\\w-]{43}=:x@a\\.example,${onion}${port}$`))
      expect(parseServerAddress(found)).toMatchObject({ hosts: ['a.example', onion], password: 'x' })
    },
  )

  it('prints the lines of the first versions for an INI file of those versions', () => {
    initialize()
    const text = (...auth: string[]): string =>
      [
        ...['[STORE_LOG]', '; Log is compacted on start', 'enable: on', '', 'restore_messages: on'],
        ...['expire_messages_days: 30', 'log_stats: off', '', '[AUTH]', ...auth, ''],
        ...['[TRANSPORT]', 'host: h', 'port: 5223', 'log_tls_errors: off', 'websockets: off', ''],
        ...['[INACTIVE_CLIENTS]', 'disconnect: off', '; ttl: 43200', '; check_interval: 3600', ''],
      ].join('\n')
    const fingerprint = readFileSync(join(relay.config, 'fingerprint'), 'utf8').trim()
    for (const [auth, inAddress, queues] of [
      [['new_queues: on', 'create_password: test'], ':test', 'requires password'],
      [['new_queues: on', '; create_password: test'], '', 'allowed'],
      [['new_queues: off'], '', 'NOT allowed'],
    ] as const) {
      writeFileSync(relay.ini, text(...auth))
      const { status, stdout } = relay.run(['start', '-m'])
      expect([status, stdout.split('\n').slice(1)]).toEqual([
        0,
        [
          `Fingerprint: ${fingerprint}`,
          `Server address: smp://${fingerprint}${inAddress}@h`,
          'Warning: server source code is not specified.',
          "Add 'source_code' property to [INFORMATION] section of INI file.",
          `Store log: ${join(relay.state, 'smp-server-store')}`,
          '',
          'WARNING: the clients will use port 443 by default soon.',
          'Set `port` in smp-server.ini section [TRANSPORT] to `5223,443`',
          '',
          'expiring messages after 30 days',
          'not expiring inactive clients',
          `creating new queues ${queues}`,
          "Server started in 'maintenance' mode, exiting",
          '',
        ],
      ])
    }
  })

  it('names the process that listens on its port', async () => {
    initialize()
    const other = createServer()
    await new Promise<void>((done) => other.listen(port, done))
    const running = relay.start(['start'])
    const { status, stdout } = await running.ended()
    await new Promise((done) => other.close(done))
    expect(status).toBe(1)
    expect(stdout).toMatch(
      new RegExp(
        `^Error: Cannot listen on port ${port} of 127.0.0.1: it is in use by node \\(process ${process.pid}\\)\\.$`,
        'm',
      ),
    )
  })

  it('says where to set the host that is still missing', () => {
    initialize()
    expect(relay.run(['start', '-m']).stderr).not.toContain('host')
    setIni('TRANSPORT', 'host', '<hostnames>')
    const hint = new RegExp(`The address has no host yet\\. Set .* in \\[TRANSPORT\\] of ${relay.ini}`)
    expect(relay.run(['start', '-m']).stderr).toMatch(hint)
    const { stdout, stderr } = relay.run(['address'])
    expect(stdout).toMatch(/^smp:\/\/\S+:x@<hostnames>:\d+\n$/)
    expect(stderr).toMatch(hint)
  })

  it('warns about keys that are ignored, and starts', async () => {
    initialize()
    setIni('TRANSPORT', 'socks_proxy', '127.0.0.1:9050')
    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    expect(running.output.stderr).toMatch(/WARN .*socks_proxy belongs in \[PROXY\]/)
  })
})

describe('start refuses', () => {
  it('without a relay', () => {
    expect(relay.run(['start'])).toEqual({
      status: 1,
      stdout: `Error: server is not initialized (${relay.ini} does not exist).\nRun \`smp-server init\`.\n`,
      stderr: '',
    })
  })

  it('a bad value, naming its line', () => {
    initialize()
    setIni('AUTH', 'new_queues', 'yes')
    const { status, stdout } = relay.run(['start'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: .*smp-server\.ini:\d+: \[AUTH\] new_queues = yes: must be on or off\.\n/)
  })

  it('a fingerprint that is not that of the certificate authority', () => {
    initialize()
    const file = join(relay.config, 'fingerprint')
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
    )
    const { status, stdout, stderr } = relay.run(['start'])
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toMatch(/^Stored fingerprint is invalid\.\n[^]*Restore the ca\.crt that belongs to it/)
  })

  it('missing certificates, naming them', () => {
    initialize()
    const key = join(relay.config, 'server.key')
    rmSync(key)
    expect(relay.run(['start']).stdout).toBe(`----------\nError: no SMP credentials: ${key}\n----------\n`)
  })

  it('PostgreSQL that does not answer', () => {
    initialize()
    setIni('STORE_LOG', 'store_queues', 'database')
    setIni('STORE_LOG', 'store_messages', 'database')
    setIni('STORE_LOG', 'db_connection', 'postgresql://smp@127.0.0.1:1/smp_server_store')
    const { status, stdout } = relay.run(['start'])
    expect([status, stdout]).toEqual([1, expect.stringContaining('PostgreSQL at 127.0.0.1:1 does not answer')])
  })

  it('a journal beside a file of messages, because one of the two is outdated', () => {
    initialize()
    mkdirSync(join(relay.state, 'messages'))
    writeFileSync(join(relay.state, 'smp-server-messages.log'), '')
    const { status, stdout } = relay.run(['start'])
    expect([status, stdout.includes('Error: both ')]).toEqual([1, true])
  })
})
