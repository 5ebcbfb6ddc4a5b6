import { generateKeyPairSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { base32Key } from '../../crypto/onion-address.ts'
import { AppError } from '../../errors/app-error.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'

/*
 * Who may reach an onion service that not everybody may (Tor rend-spec-v3, client authorisation): a file with a line per
 * client, its name and its public key. Without one of the secret keys nobody can read the descriptor, and so nobody can
 * find out where the service is, or whether it is there.
 */

export interface AuthorisedClient {
  readonly name: string
  /** X25519, 52 characters of base32. */
  readonly publicKey: string
}

/** tor allows more, but the descriptor has room for so many. */
export const MAX_CLIENTS = 64
const LINE = /^([A-Za-z0-9._-]{1,32}) ([A-Z2-7]{52})$/
const SPKI_KEY_BYTES = 32

/** Whether it can be the name of a client. */
export function isClientName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,32}$/.test(name)
}

/**
 * The clients in the file; none when there is no file.
 *
 * @throws AppError `CLIENTS_DAMAGED` for a line that is none: a client that silently is none would be locked out, or let in
 */
export async function readClients(path: string): Promise<readonly AuthorisedClient[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return ''
    throw error
  })
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line, index) => {
    const [, name, publicKey] = LINE.exec(line) ?? []
    if (name !== undefined && publicKey !== undefined && index < MAX_CLIENTS) return { name, publicKey }
    const message = `${path}:${index + 1} is not a name and a public key.`
    throw new AppError(
      'CLIENTS_DAMAGED',
      message,
      'Remove that line, and add the client again: `smp-server tor client add NAME`.',
    )
  })
}

/** Replaces the file, durable before this returns. */
export async function writeClients(path: string, clients: readonly AuthorisedClient[]): Promise<void> {
  const text = clients.map(({ name, publicKey }) => `${name} ${publicKey}\n`).join('')
  await writeDurably(path, text, { mode: 0o600, ifExists: 'replace' })
}

/** A new client, and its secret key, 52 characters of base32, which is kept nowhere. */
export function newClient(name: string): { readonly client: AuthorisedClient; readonly secretKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const raw = (der: Buffer): string => base32Key(der.subarray(-SPKI_KEY_BYTES)).toUpperCase()
  return {
    client: { name, publicKey: raw(publicKey.export({ type: 'spki', format: 'der' })) },
    secretKey: raw(privateKey.export({ type: 'pkcs8', format: 'der' })),
  }
}
