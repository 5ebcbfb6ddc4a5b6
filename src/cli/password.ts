import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { becomeRelayUser } from '../app/access.ts'
import { addressParts, addressText } from '../app/address.ts'
import { askReload } from '../app/ask-reload.ts'
import { readFingerprint } from '../app/identity.ts'
import { loadSettings, requireIni } from '../app/load-settings.ts'
import { readIni, replaceIni } from '../config/ini-file.ts'
import { removeIniValue, setIniValue } from '../config/ini.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings } from '../config/read-settings.ts'
import { AppError } from '../errors/app-error.ts'
import { confirm } from './confirm.ts'
import type { Context } from './context.ts'
import { askPassword, randomPassword } from './new-password.ts'
import { addOptions, valueOption } from './options.ts'
import { print, say, saySuccess, warn } from './output.ts'
import { printQrCode } from './qr-code.ts'
import { readPasswordFile } from './password-file.ts'

/** The password that new queues need: shows it and changes it, also in the running relay. */
export function addPassword(program: Command, { paths }: Context): void {
  const password = program.command('password').description('Show or change the password that new queues need')
  password
    .command('show')
    .description('Print the password and the address that contains it')
    .action(() => asRelayUser(paths, () => show(paths)))
  const set = password
    .command('set')
    .description('Use the password of a file, or one that is asked for')
    .action(async ({ passwordFile }: { passwordFile?: string }) => {
      const chosen = passwordFile === undefined ? await askPassword() : await fromFile(passwordFile)
      await asRelayUser(paths, () => change(paths, chosen))
    })
  // A password in an argument could be seen by every user of the machine.
  addOptions(set, [
    valueOption('--password-file <FILE>', 'File whose first line is the password', (path) => resolve(path)),
  ])
  password
    .command('rotate')
    .description('Use a new random password')
    .action(() => asRelayUser(paths, () => change(paths, randomPassword())))
  const remove = password
    .command('remove')
    .description('Have no password: everyone who has the address can create queues')
    .action(async ({ yes = false }: { yes?: true | false }) => {
      await confirm('Everyone who has the address of this relay can create queues then. Go on?', yes, false)
      await asRelayUser(paths, () => change(paths, undefined))
    })
  addOptions(remove, [new Option('-y, --yes', 'Do not ask')])
}

/** Root reads the file of a password as root, and acts as the relay's user from then on. */
async function asRelayUser(paths: Paths, work: () => Promise<void>): Promise<void> {
  becomeRelayUser([paths.stateDir, paths.configDir])
  requireIni(paths)
  await work()
}

async function fromFile(path: string): Promise<string> {
  const { password, warning } = await readPasswordFile(path)
  if (warning !== undefined) warn(warning)
  return password
}

async function show(paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const { createPassword, newQueues } = settings.auth
  if (createPassword === undefined) say('This relay has no password: everyone who has its address can create queues.')
  else print(`Password: ${createPassword}`)
  if (!newQueues) say('Nobody can create queues at present: new_queues in [AUTH] is off.')
  await printAddress(paths)
}

async function change(paths: Paths, password: string | undefined): Promise<void> {
  const before = await readIni(paths.ini)
  const text =
    password === undefined
      ? removeIniValue(before.text, 'AUTH', 'create_password')
      : setIniValue(before.text, 'AUTH', 'create_password', password)
  readSettings(text, paths.ini)
  await replaceIni(paths.ini, before, text)
  saySuccess(`The password is ${password === undefined ? 'removed from' : 'changed in'} ${paths.ini}.`)
  const fault = await tellRelay(paths)
  say(
    'Queues that exist keep working. ' +
      (password === undefined
        ? 'Everyone who has this address can create new ones:'
        : 'To create new ones, people need this address; with the one they had until now they cannot:'),
  )
  await printAddress(paths)
  if (fault) throw fault
}

/** @returns why the running relay does not use the change yet */
async function tellRelay(paths: Paths): Promise<AppError | undefined> {
  try {
    const reloaded = await askReload(paths)
    say(
      reloaded === undefined
        ? 'The relay is not running; it uses the change when it starts.'
        : 'The running relay uses the change.',
    )
    return undefined
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { code, message, remedy = '' } = error
    return new AppError(
      code,
      `The running relay does not use the password yet: ${message}`,
      `${remedy} Then run \`smp-server reload\`.`.trim(),
    )
  }
}

async function printAddress(paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const address = addressText(addressParts(settings, await readFingerprint(paths)))
  print(address)
  await printQrCode(address, paths)
}
