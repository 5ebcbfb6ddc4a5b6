import { join } from 'node:path'
import { encode, renderSVG, renderUnicodeCompact } from 'uqr'
import type { Paths } from '../config/paths.ts'
import { writeDurably } from '../system/durable-file.ts'
import { print, say } from './output.ts'

/** Phones need a border of two modules. */
const OPTIONS = { border: 2, ecc: 'L' } as const

/** Light modules must be light: a terminal gets the colours explicitly, whatever its own are. */
export function qrCode(address: string, colours = process.stdout.isTTY): string {
  const code = renderUnicodeCompact(address, OPTIONS)
  return colours ? code.replace(/^.*$/gm, '\x1b[97;40m$&\x1b[0m') : code
}

/** Prints the QR code of an address. A terminal that is too narrow would break its lines: there it becomes a file. */
export async function printQrCode(address: string, { configDir }: Pick<Paths, 'configDir'>): Promise<void> {
  const { size } = encode(address, OPTIONS)
  const { isTTY, columns } = process.stdout
  if (!isTTY || columns >= size) {
    print(qrCode(address))
    return
  }
  const path = join(configDir, 'address.svg')
  await writeDurably(path, Buffer.from(renderSVG(address, OPTIONS)), { mode: 0o600, ifExists: 'replace' })
  say(`This terminal is too narrow for the QR code, which needs ${size} columns. It is in ${path}.`)
}
