import type { Command } from 'commander'
import { choice, text } from '../config/key-values.ts'
import type { Context } from './context.ts'
import { renewServerCertificate } from '../app/identity.ts'
import { requireIni } from '../app/load-settings.ts'
import { addOptions, checked, parsedBy, valueOption } from './options.ts'
import { printKnown } from './output.ts'
import { caKeyReminder } from './summary-lines.ts'

export function addCert(program: Command, { paths }: Context): void {
  const command = program
    .command('cert')
    .description('Renew the server certificate; the identity stays the same')
    .action(async (options: { signAlgorithm?: 'ED25519' | 'ED448'; cn?: string }) => {
      requireIni(paths)
      const { signAlgorithm, cn } = options
      const alg = signAlgorithm && (signAlgorithm === 'ED448' ? 'ed448' : 'ed25519')
      await renewServerCertificate(paths, { alg, commonName: cn })
      printKnown('Generated new server credentials', ...caKeyReminder(paths))
    })
  addOptions(command, [
    valueOption(
      '-a, --sign-algorithm <ALG>',
      'Algorithm of the new key: ED25519 or ED448; default is the present one',
      parsedBy(choice(['ED25519', 'ED448'])),
    ),
    valueOption('--cn <FQDN>', 'Name in the new certificate; default is the present one', checked(text)),
  ])
}
