import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprintText } from '../../src/crypto/fingerprint.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import { listen, type Listener, type TlsFault } from '../../src/transport/listener.ts'
import { acceptHandshake } from '../../src/transport/server-handshake.ts'

// What a TLS client of another make sees of the listener: OpenSSL's own, with certificates made by OpenSSL.

const run = promisify(execFile)
const algorithms = ['ED25519', 'ED448'] as const

interface Relay {
  readonly directory: string
  readonly listener: Listener
  readonly faults: TlsFault[]
}

const relays = new Map<string, Relay>()

beforeAll(async () => {
  for (const algorithm of algorithms) relays.set(algorithm, await startRelay(algorithm))
})

afterAll(async () => {
  for (const { listener, directory } of relays.values()) {
    await listener.close()
    await rm(directory, { recursive: true })
  }
})

async function startRelay(algorithm: string): Promise<Relay> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-openssl-'))
  await makeCertificates(directory, algorithm)
  const credentials = await loadCredentials(directory)
  const faults: TlsFault[] = []
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials,
    onTlsError: (fault) => faults.push(fault),
    onChannel: (channel) => {
      void acceptHandshake(channel, { credentials, timeoutMs: 1000 })
    },
  })
  return { directory, listener, faults }
}

async function makeCertificates(directory: string, algorithm: string): Promise<void> {
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: directory })
  await writeFile(
    join(directory, 'openssl.conf'),
    [
      '[req]',
      'distinguished_name = name',
      'prompt = no',
      '[name]',
      'CN = SMP server CA',
      'O = SimpleX',
      '[ca]',
      'subjectKeyIdentifier = hash',
      'authorityKeyIdentifier = keyid:always',
      'basicConstraints = critical,CA:true',
      '[leaf]',
      'basicConstraints = CA:FALSE',
      'keyUsage = digitalSignature, nonRepudiation, keyAgreement',
      'extendedKeyUsage = serverAuth',
      '',
    ].join('\n'),
  )
  await openssl('genpkey', '-algorithm', algorithm, '-out', 'ca.key')
  await openssl(...'req -new -x509 -days 999999 -config openssl.conf -extensions ca -key ca.key -out ca.crt'.split(' '))
  await openssl('genpkey', '-algorithm', algorithm, '-out', 'server.key')
  await openssl(...'req -new -config openssl.conf -subj /CN=localhost -key server.key -out server.csr'.split(' '))
  await openssl(
    ...'x509 -req -days 999999 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile openssl.conf'.split(
      ' ',
    ),
    ...'-extensions leaf -out server.crt'.split(' '),
  )
  const { stdout } = await run('openssl', ['x509', '-in', 'ca.crt', '-noout', '-fingerprint', '-sha256'], {
    cwd: directory,
  })
  const digest = Buffer.from((stdout.split('=')[1] ?? '').replaceAll(':', '').trim(), 'hex')
  await writeFile(join(directory, 'fingerprint'), `${fingerprintText(digest)}\n`)
}

interface Report {
  readonly text: string
  readonly bytes: number
}

/** What `openssl s_client` says about one connection, ended from its side after `input`. */
function sClient(relay: Relay, args: string, input = ''): Promise<Report> {
  return new Promise((resolve) => {
    const client = spawn(
      'openssl',
      [
        's_client',
        '-connect',
        `127.0.0.1:${relay.listener.port}`,
        '-CAfile',
        'ca.crt',
        '-showcerts',
        '-tlsextdebug',
        '-msg',
        '-noservername',
        ...args.split(' '),
      ],
      { cwd: relay.directory },
    )
    const chunks: Buffer[] = []
    client.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    client.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    client.stdin.on('error', () => undefined)
    setTimeout(() => (input === '' ? client.stdin.end() : client.stdin.write(input)), 300)
    const timer = setTimeout(() => client.kill(), 4000)
    client.on('close', () => {
      clearTimeout(timer)
      const all = Buffer.concat(chunks)
      resolve({ text: all.toString('latin1'), bytes: all.length })
    })
  })
}

function relayOf(algorithm: string): Relay {
  const relay = relays.get(algorithm)
  if (relay === undefined) throw new Error(`no ${algorithm} relay`)
  return relay
}

describe.each(algorithms)('openssl s_client and a relay with %s certificates', (algorithm) => {
  it.each([
    ['X448', 448],
    ['X25519', 253],
  ] as const)('agree on TLS 1.3 with ChaCha20, %s, smp/1 and a valid chain of two', async (group, bits) => {
    const { text } = await sClient(relayOf(algorithm), `-alpn smp/1 -tls1_3 -groups ${group}`)
    expect(text).toContain('New, TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256')
    expect(text).toContain('ALPN protocol: smp/1')
    expect(text).toContain(`Server Temp Key: ${group}, ${bits} bits`)
    expect(text.match(/-----BEGIN CERTIFICATE-----/g)).toHaveLength(2)
    expect(text).toContain(' 0 s:CN = localhost')
    expect(text).toContain(' 1 s:CN = SMP server CA, O = SimpleX')
    expect(text).toContain('Verify return code: 0 (ok)')
    expect(text).toContain('CertificateRequest')
  })

  it('agree on TLS 1.2 with ChaCha20', async () => {
    const { text } = await sClient(relayOf(algorithm), '-alpn smp/1 -tls1_2')
    expect(text).toContain('New, TLSv1.2, Cipher is ECDHE-ECDSA-CHACHA20-POLY1305')
    expect(text).toContain('ALPN protocol: smp/1')
    expect(text).toContain('Verify return code: 0 (ok)')
    expect(text).not.toContain('NewSessionTicket')
  })

  it.each([
    [
      'AES in TLS 1.3',
      '-alpn smp/1 -tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256',
      'handshake failure',
    ],
    ['AES in TLS 1.2', '-alpn smp/1 -tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384', 'handshake failure'],
    ['a group of NIST', '-alpn smp/1 -tls1_3 -groups P-256', 'handshake failure'],
    ['TLS 1.1', '-alpn smp/1 -tls1_1 -cipher DEFAULT:@SECLEVEL=0', 'protocol version'],
    ['RSA signatures alone', '-alpn smp/1 -tls1_3 -sigalgs rsa_pss_rsae_sha256', 'handshake failure'],
    ['another protocol', '-alpn xmpp-client', 'no application protocol'],
  ])('do not agree on %s', async (_, args, alert) => {
    const relay = relayOf(algorithm)
    const before = relay.faults.length
    const { text } = await sClient(relay, args)
    expect(text).toMatch(new RegExp(`alert.*${alert}`, 's'))
    expect(text).not.toContain('Verify return code: 0 (ok)\n---\nread')
    expect(relay.faults.length).toBe(before + 1)
  })

  it('agree without ALPN', async () => {
    const { text } = await sClient(relayOf(algorithm), '-tls1_3')
    expect(text).toContain('No ALPN negotiated')
    expect(text).toContain('Verify return code: 0 (ok)')
  })

  it.each(['tls1_2', 'tls1_3'])('do not resume a session of %s', async (version) => {
    const relay = relayOf(algorithm)
    const file = join(relay.directory, `session.${version}`)
    const first = await sClient(relay, `-alpn smp/1 -${version} -sess_out ${file}`)
    expect(first.text).toContain('New, TLS')
    // OpenSSL sends tickets in TLS 1.3 even with SSL_OP_NO_TICKET, but keeps no session that they could be for.
    const again = await sClient(relay, `-alpn smp/1 -${version} -sess_in ${file}`)
    expect(again.text).toContain('New, TLS')
    expect(again.text).not.toContain('Reused, TLS')
  })

  it('do not renegotiate', async () => {
    const { text } = await sClient(relayOf(algorithm), '-alpn smp/1 -tls1_2', 'R\n')
    expect(text).toContain('RENEGOTIATING')
    expect(text).toMatch(/no renegotiation|no_renegotiation/i)
    expect(text.match(/ServerHello\b/g)).toHaveLength(1)
  })

  it('do not keep a connection on which nothing valid comes', async () => {
    const relay = relayOf(algorithm)
    const start = performance.now()
    await sClient(relay, '-alpn smp/1 -tls1_3', 'half a block')
    expect(performance.now() - start).toBeLessThan(3500)
    await sClient(relay, '-alpn smp/1 -tls1_3', 'x'.repeat(16_384))
    expect(performance.now() - start).toBeLessThan(6000)
    await expect.poll(() => relay.listener.counts.active, { timeout: 6000 }).toBe(0)
  })
})
