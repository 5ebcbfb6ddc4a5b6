import { lstat, readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Logger } from '../config/log.ts'
import { errorCode } from '../system/error-code.ts'
import { WEB_TLS_PARAMETERS } from './tls-parameters.ts'

/** PEM files: the chain with the certificate first, and its key. */
export interface WebCertificateFiles {
  readonly certificate: string
  readonly key: string
}

const CHECK_INTERVAL_MS = 60_000

const notThereYet = 'not there yet'

/**
 * The certificate that browsers trust, of any kind that they accept. The files may appear or be renewed while the relay
 * runs: they are checked when a connection needs them, at most once a minute. A pair that cannot be used is logged once
 * and the previous one stays in use. Missing files are not an error as long as neither of them ever existed.
 */
export class WebCertificate {
  readonly #files: WebCertificateFiles
  readonly #log: Logger
  readonly #now: () => number
  #current: SecureContext | undefined
  #loaded: string | undefined
  #checking: Promise<void> | undefined
  #checkAt = -Infinity
  #fault: string | undefined

  constructor(files: WebCertificateFiles, log: Logger, now = (): number => performance.now()) {
    this.#files = files
    this.#log = log
    this.#now = now
  }

  /** undefined while there is no usable certificate. */
  async context(): Promise<SecureContext | undefined> {
    if (this.#now() >= this.#checkAt) {
      this.#checkAt = this.#now() + CHECK_INTERVAL_MS
      this.#checking = this.#check()
    }
    await this.#checking
    return this.#current
  }

  async #check(): Promise<void> {
    const { certificate, key } = this.#files
    try {
      const version = `${await versionOf(certificate)} ${await versionOf(key)}`
      if (version === this.#loaded) return
      const [cert, keyPem] = await Promise.all([readFile(certificate), readFile(key)])
      this.#current = createSecureContext({ ...WEB_TLS_PARAMETERS, cert, key: keyPem })
      if (this.#loaded !== undefined || this.#fault !== undefined) this.#log.note('Reloaded the web certificate.')
      this.#loaded = version
      this.#fault = undefined
    } catch (error) {
      await this.#report(error)
    }
  }

  async #report(error: unknown): Promise<void> {
    const isAwaited = this.#loaded === undefined && (await isNowhere(this.#files))
    const fault = isAwaited ? notThereYet : error instanceof Error ? error.message : String(error)
    if (fault === this.#fault) return
    this.#fault = fault
    if (isAwaited) {
      this.#log.info('No web certificate yet.')
      return
    }
    const meanwhile = this.#loaded === undefined ? 'browsers cannot connect' : 'keeping the previous one'
    this.#log.warn(`Cannot use the web certificate, ${meanwhile}: ${fault}`)
  }
}

async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path)
  return `${ino}:${size}:${mtimeMs}`
}

/** Neither file exists. A dangling link counts as a file: somebody made it. */
async function isNowhere({ certificate, key }: WebCertificateFiles): Promise<boolean> {
  const missing = (path: string): Promise<boolean> =>
    lstat(path).then(
      () => false,
      (error: unknown) => errorCode(error) === 'ENOENT',
    )
  return (await missing(certificate)) && (await missing(key))
}
