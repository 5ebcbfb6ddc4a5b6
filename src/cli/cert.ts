import type { Command } from 'commander'
import { choice, text } from '../config/key-values.ts'
import type { Context } from './context.ts'
import { renewServerCertificate } from '../app/identity.ts'
import { requireIni } from '../app/load-settings.ts'
import { addOptions, checked, parsedBy, valueOption } from './options.ts'
import { print } from './output.ts'
import { caKeyReminder } from './summary-lines.ts'

export function addCert(program: Command, { paths }: Context): void {
  const command = program
    .command('cert')
    .description(`Make a new server certificate, the identity stays (configuration: ${paths.ini})`)
    .action(async (options: { signAlgorithm?: 'ED25519' | 'ED448'; cn?: string }) => {
      requireIni(paths)
      const { signAlgorithm, cn } = options
      const alg = signAlgorithm && (signAlgorithm === 'ED448' ? 'ed448' : 'ed25519')
      await renewServerCertificate(paths, { alg, commonName: cn })
      print('Generated new server credentials', ...caKeyReminder(paths))
    })
  addOptions(command, [
    valueOption(
      '-a, --sign-algorithm <ALG>',
      'Kind of the new key, otherwise as now: ED25519, ED448',
      parsedBy(choice(['ED25519', 'ED448'])),
    ),
    valueOption('--cn <FQDN>', 'Name in the new certificate, otherwise as now', checked(text)),
  ])
}
