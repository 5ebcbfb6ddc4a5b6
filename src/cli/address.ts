import { type Command, Option } from 'commander'
import { addressParts, addressText, missingHost } from '../app/address.ts'
import type { Context } from './context.ts'
import { readFingerprint } from '../app/identity.ts'
import { askStatus } from '../app/relay-status.ts'
import { loadSettings } from '../app/load-settings.ts'
import { addOptions } from './options.ts'
import { print, warn } from './output.ts'
import { printQrCode } from './qr-code.ts'

/** Prints the address that users enter in their app; it contains the password. */
export function addAddress(program: Command, { paths }: Context): void {
  const command = program
    .command('address')
    .description('Show the address of this relay, with its password')
    .action(async (options: { qr?: true; json?: true }) => {
      const { settings } = await loadSettings(paths)
      const parts = addressParts(settings, await readFingerprint(paths))
      const address = addressText(parts)
      if (options.json)
        print(JSON.stringify({ address, ...parts, password: parts.password ?? null, port: parts.port ?? null }))
      else print(address)
      if (options.qr) await printQrCode(address, paths)
      const missing = missingHost(settings, paths.ini)
      if (missing !== undefined) warn(missing)
      const running = await askStatus(paths).catch(() => undefined)
      if (running && running.address !== address) {
        warn(
          `The running relay still has another address: ${running.address} It gets this one with \`smp-server reload\`.`,
        )
      }
    })
  addOptions(command, [
    new Option('--qr', 'Show a QR code as well'),
    new Option('--json', 'Show the address and its parts as JSON'),
  ])
}
