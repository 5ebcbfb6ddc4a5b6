import { lstat, readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Logger } from '../config/log.ts'
import { WEB_TLS_PARAMETERS } from './tls-parameters.ts'

/** PEM files: the chain with the certificate first, and its key. */
export interface WebCertificateFiles {
  readonly certificate: string
  readonly key: string
}

const CHECK_INTERVAL_MS = 60_000

const notThereYet = 'not there yet'

/**
 * The certificate that browsers trust, of whatever kind they accept. The files may come later, and be renewed, while
 * the relay runs: they are looked at again when a connection needs them, at most once a minute. What cannot be used is
 * said once in the log, and the pair before it stays in use. As long as neither file was ever there nothing is wrong.
 */
export class WebCertificate {
  private readonly files: WebCertificateFiles
  private readonly log: Logger
  private readonly now: () => number
  private current: SecureContext | undefined
  private loaded: string | undefined
  private checking: Promise<void> | undefined
  private checkAt = -Infinity
  private fault: string | undefined

  constructor(files: WebCertificateFiles, log: Logger, now = (): number => performance.now()) {
    this.files = files
    this.log = log
    this.now = now
  }

  /** undefined while there is none that can be used. */
  async context(): Promise<SecureContext | undefined> {
    if (this.now() >= this.checkAt) {
      this.checkAt = this.now() + CHECK_INTERVAL_MS
      this.checking = this.check()
    }
    await this.checking
    return this.current
  }

  private async check(): Promise<void> {
    const { certificate, key } = this.files
    try {
      const version = `${await versionOf(certificate)} ${await versionOf(key)}`
      if (version === this.loaded) return
      const [cert, keyPem] = await Promise.all([readFile(certificate), readFile(key)])
      this.current = createSecureContext({ ...WEB_TLS_PARAMETERS, cert, key: keyPem })
      if (this.loaded !== undefined || this.fault !== undefined) this.log.note(`The web certificate was read again.`)
      this.loaded = version
      this.fault = undefined
    } catch (error) {
      await this.report(error)
    }
  }

  private async report(error: unknown): Promise<void> {
    const isAwaited = this.loaded === undefined && (await isNowhere(this.files))
    const fault = isAwaited ? notThereYet : error instanceof Error ? error.message : String(error)
    if (fault === this.fault) return
    this.fault = fault
    if (isAwaited) {
      this.log.info('The web certificate is not there yet.')
      return
    }
    const meanwhile = this.loaded === undefined ? 'browsers cannot connect' : 'the one before it stays in use'
    this.log.warn(`The web certificate cannot be used, ${meanwhile}: ${fault}`)
  }
}

async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path)
  return `${ino}:${size}:${mtimeMs}`
}

/** Neither file is there. A link that leads nowhere is: somebody made it. */
async function isNowhere({ certificate, key }: WebCertificateFiles): Promise<boolean> {
  const missing = (path: string): Promise<boolean> =>
    lstat(path).then(
      () => false,
      (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT',
    )
  return (await missing(certificate)) && (await missing(key))
}
