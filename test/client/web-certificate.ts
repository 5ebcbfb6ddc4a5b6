import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const KEYS = {
  rsa4096: ['-newkey', 'rsa:4096'],
  p256: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
} as const

export interface TestWebCertificate {
  /** Paths. */
  readonly certificate: string
  readonly key: string
  readonly pem: string
  remove(): Promise<void>
}

/** A web certificate for relay.test and localhost, made and signed by itself with OpenSSL. */
export async function makeWebCertificate(kind: keyof typeof KEYS = 'p256'): Promise<TestWebCertificate> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-web-certificate-'))
  const certificate = join(directory, 'web.crt')
  const key = join(directory, 'web.key')
  const names = ['-subj', '/CN=relay.test', '-addext', 'subjectAltName=DNS:relay.test,DNS:localhost']
  await run('openssl', [
    'req',
    '-x509',
    ...KEYS[kind],
    '-nodes',
    '-days',
    '30',
    ...names,
    '-keyout',
    key,
    '-out',
    certificate,
  ])
  const pem = await readFile(certificate, 'utf8')
  return { certificate, key, pem, remove: () => rm(directory, { recursive: true }) }
}
