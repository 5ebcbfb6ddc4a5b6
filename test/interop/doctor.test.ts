import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'
import { parseTlsClientHello } from '../../src/transport/tls-client-hello.ts'
import { makeWebCertificate } from '../client/web-certificate.ts'
import { newDatabase } from '../postgres/database.ts'
import { projectRoot } from '../project-root.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * `smp-server doctor` on a relay that is brought into one wrong state after the other. What it finds in the machine
 * itself differs, so a test looks only for what it has done.
 */

const relay = new Installation()

beforeAll(async () => {
  await buildProgram()
  await relay.initialize('--no-password', '--ip', '127.0.0.1')
  relay.set('WEB', 'https', '')
  relay.set('TRANSPORT', 'host', '127.0.0.1')
})
afterAll(() => relay.remove())

interface Found {
  readonly check: string
  readonly level: string
  readonly text: string
  readonly remedy: string | null
}

/** What is not OK, as `LEVEL check: text | remedy`. */
function doctor(...options: string[]): { readonly status: number | null; readonly found: string } {
  const { status, stdout } = relay.run(['doctor', '--json', ...options])
  return {
    status,
    found: findingsIn(stdout)
      .filter((line) => !line.startsWith('ok '))
      .join('\n'),
  }
}

function findingsIn(json: string): string[] {
  const { findings } = JSON.parse(json) as { findings: Found[] }
  return findings.map(({ check, level, text, remedy }) => `${level} ${check}: ${text} | ${remedy ?? ''}`)
}

it('a new relay has no FAIL, and is told what to do next', () => {
  const { status, stdout } = relay.run(['doctor'])
  expect(stdout).toContain('OK   permissions: ')
  expect(stdout).toMatch(/WARN ca\.key: .*\n {5}Copy it to a safe place/)
  expect(stdout).toMatch(/WARN backup: No backup of this relay is known\.\n {5}Make one: `smp-server backup FILE`/)
  expect(stdout).toMatch(/\d+ OK, \d+ WARN, 0 FAIL\.\n$/)
  expect(status).toBe(0)
})

describe('a wrong state of files', () => {
  const key = join(relay.config, 'server.key')
  const leftover = join(relay.state, 'messages.2026-01-01T00:00:00Z')

  it('that is safe to repair is repaired by --fix, and everything else stays', () => {
    chmodSync(key, 0o644)
    chmodSync(relay.ini, 0o640)
    mkdirSync(leftover)
    writeFileSync(join(leftover, 'journal'), Buffer.alloc(3 << 20))
    writeFileSync(join(relay.config, 'smp-server.ini.bak'), 'old')
    const { status, found } = doctor()
    expect(status).toBe(1)
    expect(found).toMatch(/fail permissions: .*server\.key.* \(0644, 0640\)|fail permissions: .* \(0640, 0644\)/)
    expect(found).toContain(`warn leftovers: ${leftover} (3.0 MiB) is left of`)
    expect(found).toContain(`rm -r ${leftover}`)
    expect(found).toContain(`warn leftovers: ${relay.ini}.bak`)

    const fixed = doctor('--fix')
    expect(fixed.status).toBe(0)
    expect(fixed.found).not.toContain('permissions')
    expect([statSync(key).mode & 0o777, statSync(relay.ini).mode & 0o777]).toEqual([0o600, 0o600])
    expect(existsSync(leftover)).toBe(true)
  })

  it('that is not safe to repair is asked about on a terminal', () => {
    const answers = JSON.stringify([
      ['smp-server.ini.bak?', 'n'],
      ['00Z?', 'y'],
    ])
    const command = [process.execPath, join(projectRoot, 'dist/cli/main.js'), 'doctor', '--fix']
    const script = join(import.meta.dirname, 'type-in.py')
    spawnSync('python3', [script, answers, ...command], { env: relay.environment, timeout: 30_000 })
    expect([existsSync(leftover), existsSync(`${relay.ini}.bak`)]).toEqual([false, true])
  })

  it('that is not safe to repair is repaired without a question with --yes', () => {
    const unfinished = join(relay.state, 'smp-server-store.log.unused')
    mkdirSync(unfinished)
    expect(relay.run(['doctor', '--yes'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('--fix --yes') as string,
    })
    expect(doctor('--fix').found).toContain(`warn leftovers: ${unfinished}`)
    expect(doctor('--fix', '--yes').found).not.toContain('leftovers')
    expect([existsSync(unfinished), existsSync(`${relay.ini}.bak`), existsSync(relay.ini)]).toEqual([
      false,
      false,
      true,
    ])
  })

  it.skipIf(process.getuid?.() !== 0)('is repaired by root where a run as another user left files', () => {
    chownSync(key, 65534, 65534)
    expect(doctor().found).toMatch(/fail owners: \S+server\.key belongs not to user 0, .* but to user 65534: /)
    expect(doctor('--fix').status).toBe(0)
    expect(statSync(key).uid).toBe(0)
    chownSync(relay.config, 65534, 65534)
    expect(doctor('--fix').status).toBe(0)
    expect([statSync(key).uid, statSync(relay.ini).uid]).toEqual([65534, 65534])
    spawnSync('chown', ['-R', '0:0', relay.config])
  })
})

describe('a wrong state of the settings', () => {
  it('is named with its line or its remedy: a misplaced key, an onion address without a key', () => {
    const onion = generateOnionKey().hostname
    relay.set('TRANSPORT', 'socks_proxy', '127.0.0.1:9050')
    relay.set('TRANSPORT', 'host', `127.0.0.1,${onion}`)
    const { status, found } = doctor()
    expect(found).toMatch(/warn settings: .*socks_proxy/)
    expect(found).toContain(`fail onion: \`host\` contains ${onion}, but this relay has no key for it`)
    expect(status).toBe(1)
    relay.set('TRANSPORT', 'host', '127.0.0.1')
  })

  it('that cannot be read does not keep the other checks from being made', () => {
    const keep = relay.value('TRANSPORT', 'port') ?? ''
    relay.set('TRANSPORT', 'port', 'many')
    const { status, found } = doctor()
    expect([status, found]).toEqual([1, expect.stringMatching(/fail settings: .*port = many/)])
    expect(relay.run(['doctor']).stdout).toContain('OK   permissions')
    relay.set('TRANSPORT', 'port', keep)
  })
})

it('a port that another program holds is named with that program', async () => {
  const port = Number(relay.value('TRANSPORT', 'port'))
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  expect(doctor().found).toMatch(new RegExp(`fail port: .*${port}`))
  await new Promise((resolve) => other.close(resolve))
  expect(doctor().found).not.toContain('fail port')
})

/*
 * The relay listens on 127.0.0.2, and its public name leads to 127.0.0.1, where each test puts something else in front of
 * it on the same port.
 */
describe('the public host of a running relay', () => {
  const front = new Installation()
  const sockets: Socket[] = []
  let port: number
  let listening: Server | undefined

  beforeAll(async () => {
    ;({ port } = await front.initialize('--no-password', '--ip', '127.0.0.1'))
    front.set('WEB', 'https', '')
    front.set('TRANSPORT', 'host', 'localhost')
    front.set('TRANSPORT', 'listen_host', '127.0.0.2')
    const running = front.start(['start'])
    await running.shows(/Listening on port/)
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await new Promise((resolve) => (listening ? listening.close(resolve) : resolve(undefined)))
    listening = undefined
  })
  afterAll(() => front.remove())

  async function inFront(onClient: (client: Socket) => void): Promise<void> {
    listening = createServer((client) => {
      sockets.push(client.on('error', () => undefined))
      onClient(client)
    })
    await new Promise<void>((resolve) => listening?.listen(port, '127.0.0.1', resolve))
  }

  function forward(client: Socket, first: Buffer | string = ''): void {
    const onward = connect(port, '127.0.0.2').on('error', () => undefined)
    sockets.push(onward)
    onward.write(first)
    client.pipe(onward).pipe(client)
  }

  async function hostFindings(): Promise<string> {
    const { stdout } = await front.start(['doctor', '--json']).ended()
    return findingsIn(stdout)
      .filter((line) => / (?:host|relay): /.test(line))
      .join('\n')
  }

  it('leads to the relay through a proxy that passes TCP on', async () => {
    await inFront((client) => forward(client))
    const found = await hostFindings()
    expect(found).toMatch(new RegExp(`^ok host: localhost is .*, and the relay answers there on port ${port}\\.`))
    expect(found).toContain('ok relay: Healthy')
  })

  it('leads nowhere: nothing accepts connections', async () => {
    expect(await hostFindings()).toMatch(/fail host: localhost is .* Nothing accepts connections at localhost port/)
  })

  it.each([
    ['1', 'PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n'],
    ['2', Buffer.from('0d0a0d0a000d0a515549540a21110000c00002', 'hex')],
  ])('leads to a proxy that sends a PROXY header of version %s', async (_, header) => {
    await inFront((client) => forward(client, header))
    expect(await hostFindings()).toMatch(
      /fail host: The proxy at localhost port \d+ sends a PROXY header.*proxy_protocol/,
    )
  })

  it('leads to a proxy that wants a server name', async () => {
    await inFront((client) => {
      client.once('data', (chunk) => {
        const hello = parseTlsClientHello(chunk)
        if (typeof hello === 'object' && hello.hasServerName) forward(client, chunk)
        else client.destroy()
      })
    })
    expect(await hostFindings()).toMatch(/fail host: The proxy at localhost .* name the server \(SNI\).*docs\/web\.md/)
  })

  it('leads to a server that ends TLS, as openssl s_server does', async () => {
    const certificate = await makeWebCertificate()
    const files = ['-cert', certificate.certificate, '-key', certificate.key]
    const server = spawn('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, ...files, '-www'])
    try {
      await new Promise<void>((resolve) =>
        server.stdout.on('data', (text: Buffer) => String(text).includes('ACCEPT') && resolve()),
      )
      expect(await hostFindings()).toMatch(
        /fail host: At localhost port \d+ something else than the relay ends TLS.*relay\.test/,
      )
    } finally {
      const ended = new Promise((resolve) => server.once('close', resolve))
      server.kill()
      await ended
      await certificate.remove()
    }
  })
})

/** Whether this user may make network namespaces with a firewall of their own. */
const mayFilter = spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset']).status === 0

describe.runIf(mayFilter)('the firewall of this machine (needs root)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'smp-firewall-'))
  const rules = join(directory, 'rules')
  const walled = new Installation({ within: ['unshare', '-n', 'sh', '-c', 'sh "$0" && exec "$@"', rules] })
  let port: number

  beforeAll(async () => {
    writeFileSync(rules, '')
    ;({ port } = await walled.initialize('--no-password', '--ip', '192.0.2.7', '--disable-web'))
    walled.set('TRANSPORT', 'listen_host', '0.0.0.0')
  })
  afterAll(async () => {
    await walled.remove()
    rmSync(directory, { recursive: true })
  })

  function firewall(text: string): string {
    writeFileSync(rules, text)
    const { stdout } = walled.run(['doctor', '--json'])
    return findingsIn(stdout).find((line) => line.includes(' firewall: ')) ?? ''
  }

  it('without rules, or with one that lets everybody in, is OK', () => {
    expect(firewall('')).toContain(`ok firewall: The firewall of this machine lets clients in on port ${port}.`)
    const open = `iptables -P INPUT DROP; ip6tables -P INPUT DROP; for t in iptables ip6tables; do $t -A INPUT -p tcp -m multiport --dports 22,${port - 1}:${port + 1} -j ACCEPT; done`
    expect(firewall(open)).toMatch(/^ok firewall: .* lets clients in/)
  })

  it('with a policy of iptables that drops the port is WARN, with the command', () => {
    const found = firewall('iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT')
    expect(found).toContain(`warn firewall: The firewall lets no clients in on port ${port} (IPv4): -P INPUT DROP.`)
    expect(found).toContain(`\`iptables -I INPUT -p tcp --dport ${port} -j ACCEPT\``)
  })

  it('with a ruleset of nftables that rejects the port is WARN, with the line to add', () => {
    const table = (allowed: string): string => `nft -f - <<END
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
    ip saddr 10.0.0.0/8 accept
    tcp dport { 22, ${allowed} } accept
    reject with icmpx admin-prohibited
  }
}
END`
    const found = firewall(table('443'))
    expect(found).toMatch(/^warn firewall: .* \(IPv4\): rule \d+ of inet filter input\..*nftables\.conf/)
    expect(found).toContain(`tcp dport { ${port} } accept`)
    expect(firewall(table(`${port - 5}-${port + 5}`))).toMatch(/^ok firewall: .* lets clients in/)
  })
})

it('a PostgreSQL that the relay cannot use is FAIL, and one that it can use is OK', async () => {
  const { server, name, uri } = await newDatabase()
  const stored = new Installation()
  try {
    await stored.initialize('--no-password', '--ip', '127.0.0.1', '--disable-web')
    for (const [key, value] of [
      ['store_queues', 'database'],
      ['store_messages', 'database'],
      ['db_connection', uri],
    ] as const) {
      stored.set('STORE_LOG', key, value)
    }
    const store = (): string =>
      findingsIn(stored.run(['doctor', '--json']).stdout).find((line) => line.includes(' store: ')) ?? ''
    expect(store()).toMatch(/^fail store: There is no schema .*--confirm-migrations up/)

    const running = stored.start(['start', '--confirm-migrations', 'up'])
    await running.shows(/Listening on port/)
    const { stdout } = stored.run(['doctor', '--json'])
    expect(stdout).toMatch(/PostgreSQL 1\d\S* .*answers in \d+ ms, and schema smp_server can be used/)
    running.kill('SIGTERM')
    await running.ended()

    await server.query('ALTER TABLE smp_server.messages OWNER TO postgres', name)
    expect(store()).toMatch(/^fail store: Role "\w+" may not read and write smp_server\.messages in .*GRANT ALL/)
    await server.query(`ALTER TABLE smp_server.messages OWNER TO ${name}`, name)
    expect(store()).toMatch(/^ok store: /)
    await server.query("UPDATE smp_server_relays.about SET fingerprint = 'another'", name)
    expect(store()).toMatch(/^fail store: .* belongs to the relay with fingerprint another/)
    stored.set('STORE_LOG', 'db_connection', 'postgresql://smp@127.0.0.1:1/smp')
    expect(store()).toMatch(/^fail store: PostgreSQL at 127\.0\.0\.1:1 does not answer/)
  } finally {
    await stored.remove()
  }
}, 60_000)

it('a relay that may write only small files, and a tor whose program was replaced, are WARN', async () => {
  const small = new Installation({ within: ['prlimit', '--fsize=50000000'] })
  const tor = join(small.root, 'tor')
  const torrc = join(small.root, 'torrc')
  copyFileSync('/usr/bin/tor', tor)
  writeFileSync(torrc, '')
  const options = [
    '--DisableNetwork',
    '1',
    '--SocksPort',
    '0',
    '--DataDirectory',
    join(small.root, 'data'),
    '-f',
    torrc,
  ]
  const running = spawn(tor, options, { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => running.once('close', resolve))
  try {
    await new Promise((resolve) => running.stdout.once('data', resolve))
    rmSync(tor)
    await small.initialize('--no-password', '--ip', '127.0.0.1', '--disable-web')
    const relay = small.start(['start'])
    await relay.shows(/Listening on port/)
    const found = findingsIn(small.run(['doctor', '--json']).stdout).join('\n')
    expect(found).toMatch(/warn limits: The relay may write no file of more than 48 MiB, .*LimitFSIZE/)
    expect(found).toMatch(new RegExp(`warn tor program: .* still runs \\(process .*\\b${running.pid}\\b`))
    expect(found).toContain('ok version: The relay runs version')
  } finally {
    running.kill('SIGKILL')
    await ended
    await small.remove()
  }
})

it('a consensus of Tor from later than now shows that the clock is behind', () => {
  const data = join(relay.state, 'tor', 'client')
  mkdirSync(data, { recursive: true })
  writeFileSync(join(data, 'cached-microdesc-consensus'), 'valid-after 2099-01-01 00:00:00\n')
  expect(doctor().found).toContain('fail clock: The clock of this machine is wrong')
  writeFileSync(join(data, 'cached-microdesc-consensus'), '')
})

it('an old backup, a failed one, and a damaged store are named', async () => {
  writeFileSync(join(relay.state, 'last-backup'), '')
  const month = Date.now() / 1000 - 30 * 86_400
  utimesSync(join(relay.state, 'last-backup'), month, month)
  expect(doctor().found).toContain('warn backup: The last backup is 30 days old.')
  relay.set('BACKUP', 'directory', '/nowhere')
  relay.set('BACKUP', 'passphrase_file', '/nowhere/words')
  const failure = { at: new Date().toISOString(), message: 'The disk is full.', remedy: 'Free some space.' }
  writeFileSync(join(relay.state, 'backups.json'), JSON.stringify({ format: 1, made: [], failure }), { mode: 0o600 })
  expect(doctor().found).toContain(
    'fail backup: The last automatic backup failed. The disk is full. | Free some space.',
  )

  const running = relay.start(['start'])
  await running.shows(/Listening on port/)
  const { stdout } = relay.run(['doctor'])
  expect(stdout).toContain('OK   relay: Healthy: the relay answers')
  expect(stdout).toContain('OK   store: The message store is sound: 0 queues')
  running.kill('SIGTERM')
  await running.ended()
  truncateSync(join(relay.state, 'smp-server-store', 'data.mdb'), 5000)
  const damaged = doctor()
  expect([damaged.status, damaged.found]).toEqual([1, expect.stringContaining('fail store: ')])
})
