import { execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import { listen, type Listener } from '../../src/transport/listener.ts'
import { WebCertificate } from '../../src/transport/web-certificate.ts'
import { makeWebCertificate, type TestWebCertificate } from '../client/web-certificate.ts'
import { writeCredentials } from '../conformance/credentials.ts'

// What a TLS client of another make, OpenSSL's, sees of a port that SMP and the web share.

const kinds = ['rsa4096', 'p256'] as const
let directory: string
let minutes = 0
const certificates = new Map<string, TestWebCertificate>()
const listeners = new Map<string, Listener>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-web-openssl-'))
  await writeCredentials(directory)
  const credentials = await loadCredentials(directory)
  for (const kind of kinds) {
    const made = await makeWebCertificate(kind)
    certificates.set(kind, made)
    const files = { certificate: join(directory, `${kind}.crt`), key: join(directory, `${kind}.key`) }
    await put(made, files)
    const certificate = new WebCertificate(files, silentLogger, () => minutes * 60_000)
    const web = { on: 'shared port', certificate } as const
    const options = { host: '127.0.0.1', port: 0, credentials, onChannel: () => undefined, web }
    listeners.set(kind, await listen(options))
  }
})

afterAll(async () => {
  for (const listener of listeners.values()) await listener.close()
  for (const certificate of certificates.values()) await certificate.remove()
  await rm(directory, { recursive: true })
})

async function put(made: TestWebCertificate, files: { certificate: string; key: string }): Promise<void> {
  await cp(made.certificate, files.certificate)
  await cp(made.key, files.key)
  const soon = Date.now() / 1000 + minutes + 1
  await utimes(files.certificate, soon, soon)
}

/** What `openssl s_client` says about one connection, on which it asks for /health. */
function sClient(kind: string, args: string): Promise<string> {
  return new Promise((resolve) => {
    const port = listeners.get(kind)?.port ?? 0
    const trusted = certificates.get(kind)?.certificate ?? ''
    const fixed = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', trusted, '-msg', '-ign_eof']
    const client = spawn('openssl', [...fixed, ...args.split(' ')])
    const chunks: Buffer[] = []
    client.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    client.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    client.stdin.on('error', () => undefined)
    client.stdin.write('GET /health HTTP/1.1\r\nHost: relay.test\r\n\r\n')
    const timer = setTimeout(() => client.kill(), 1500)
    client.on('close', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks).toString('latin1'))
    })
  })
}

describe.each(kinds)('openssl s_client and a web certificate of %s', (kind) => {
  const suite = kind === 'p256' ? 'ECDSA' : 'RSA'
  const name = '-servername relay.test -alpn http/1.1'

  it.each([
    ['TLS 1.3 and AES-256', '-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
    ['TLS 1.3 and AES-128', '-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
    ['TLS 1.3 and P-256', '-tls1_3 -groups P-256', 'TLS_AES_256_GCM_SHA384'],
    ['TLS 1.3 and X448', '-tls1_3 -groups X448', 'TLS_AES_256_GCM_SHA384'],
    ['TLS 1.2', '-tls1_2', `ECDHE-${suite}-AES256-GCM-SHA384`],
    ['TLS 1.2 and ChaCha20', `-tls1_2 -cipher ECDHE-${suite}-CHACHA20-POLY1305`, `ECDHE-${suite}-CHACHA20-POLY1305`],
  ])('agree on %s, and HTTP', async (_, args, cipher) => {
    const text = await sClient(kind, `${name} ${args}`)
    expect(text).toContain(`Cipher is ${cipher}`)
    expect(text).toContain('ALPN protocol: http/1.1')
    expect(text).toContain('Verify return code: 0 (ok)')
    expect(text).toMatch(/HTTP\/1\.1 200 OK[^]*\r\n\r\nok/)
    expect(text).not.toContain('CertificateRequest')
  })

  it.each([
    ['TLS 1.1', '-tls1_1 -cipher DEFAULT:@SECLEVEL=0', 'protocol version'],
    ['CBC', `-tls1_2 -cipher ECDHE-${suite}-AES256-SHA384:AES256-SHA`, 'handshake failure'],
    ['finite fields', '-tls1_3 -groups ffdhe4096', 'handshake failure'],
    ['SHA-1', '-tls1_2 -sigalgs RSA+SHA1:ECDSA+SHA1 -cipher DEFAULT:@SECLEVEL=0', 'handshake failure|internal error'],
  ])('do not agree on %s', async (_, args, alert) => {
    expect(await sClient(kind, `${name} ${args}`)).toMatch(new RegExp(`alert.*(${alert})`, 's'))
  })

  it('agree on the certificate of SMP when no server is named', async () => {
    const text = await sClient(kind, '-noservername -alpn smp/1 -showcerts')
    expect(text).toContain('ALPN protocol: smp/1')
    expect(text).toContain('Cipher is TLS_CHACHA20_POLY1305_SHA256')
    expect(text.match(/-----BEGIN CERTIFICATE-----/g)).toHaveLength(2)
  })

  it.each(['tls1_2', 'tls1_3'])('do not resume a session of %s', async (version) => {
    const file = join(directory, `session.${kind}.${version}`)
    expect(await sClient(kind, `${name} -${version} -sess_out ${file}`)).toContain('New, TLS')
    const again = await sClient(kind, `${name} -${version} -sess_in ${file}`)
    expect(again).toContain('New, TLS')
    expect(again).not.toContain('Reused, TLS')
  })
})

describe('websocket-openssl', () => {
  it('a web certificate that is renewed is used within a minute, without a restart', async () => {
    const certificate = join(directory, 'p256.crt')
    const key = join(directory, 'p256.key')
    const subject = async (): Promise<string> => {
      const text = await sClient('p256', '-servername relay.test -alpn http/1.1')
      return /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/.exec(text)?.[0] ?? ''
    }
    const before = await subject()
    const made = await makeWebCertificate('p256')
    await put(made, { certificate, key })
    expect(await subject()).toBe(before)
    minutes++
    const after = await subject()
    expect(after).not.toBe(before)
    const { stdout } = await promisify(execFile)('openssl', ['x509', '-in', made.certificate])
    expect(after.trim()).toBe(stdout.trim())
    await made.remove()
  })
})
