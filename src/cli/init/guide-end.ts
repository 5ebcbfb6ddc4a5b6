import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type AddressParts, addressText } from '../../app/address.ts'
import { AppError } from '../../errors/app-error.ts'
import type { Paths } from '../../config/paths.ts'
import { firewallLines } from '../firewall.ts'
import { print, say, saySuccess } from '../output.ts'
import { printQrCode } from '../qr-code.ts'

export interface GuideEnd {
  readonly paths: Paths
  readonly address: AddressParts
  /** That clients connect to. */
  readonly ports: readonly number[]
  /** Set up an onion service, with these lines for its torrc. */
  readonly onion: { readonly torrcExtra: string | undefined } | undefined
}

const SYSTEMD = '/run/systemd/system'
const UNITS = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system']

/** What follows the questions: the onion service, the address, and what is left to do. */
export async function endGuide({ paths, address, ports, onion }: GuideEnd): Promise<void> {
  saySuccess(`The relay is initialized; its configuration is in ${paths.ini}.`)
  const hasOnion = onion !== undefined && setUpOnion(onion.torrcExtra)
  // The setup shows the address with both hosts.
  if (!hasOnion && address.hosts.length > 0) {
    print('', 'Address of the relay:', addressText(address))
    await printQrCode(addressText(address), paths)
  }
  const hasAddress = hasOnion || address.hosts.length > 0
  for (const line of nextSteps(paths, hasAddress, address.hosts.length > 0 ? firewallLines(ports) : [])) say(line)
  if (onion !== undefined && !hasOnion) throw onionMissing()
}

/**
 * Runs `tor setup`, which says what it does.
 *
 * @returns whether there is an onion service now
 */
export function setUpOnion(torrcExtra: string | undefined): boolean {
  const [, program = ''] = process.argv
  const extra = torrcExtra === undefined ? [] : ['--torrc-extra', torrcExtra]
  say('', 'Setting up the onion service …')
  const args = [...process.execArgv, program, 'tor', 'setup', '-y', ...extra]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0
}

export function onionMissing(): AppError {
  const message = 'The relay is initialized, but has no onion service.'
  return new AppError('INIT_ONION', message, 'Fix the error above, and run `smp-server tor setup`.')
}

/** @param firewall the commands that open it */
function nextSteps({ caKey, ini }: Paths, hasAddress: boolean, firewall: readonly string[]): string[] {
  const isService = existsSync(SYSTEMD) && UNITS.some((directory) => existsSync(`${directory}/smp-server.service`))
  const steps = [
    ...(hasAddress
      ? []
      : [[`Give the relay an address: set host in ${ini}, or make an onion address.`, 'smp-server tor setup']]),
    ...(firewall.length > 0 ? [['If a firewall is on, let clients in, as root:', ...firewall]] : []),
    ['Start the relay:', isService ? 'systemctl enable --now smp-server' : 'smp-server start'],
    hasAddress
      ? [
          'Test it in the app: under Network & servers, SMP servers, add a server, scan the QR code or paste the address, and tap Test server.',
        ]
      : [],
    [
      `Keep a backup: the identity of the relay cannot be made again. Move ${caKey} to another place.`,
      'smp-server backup FILE',
    ],
  ]
  return [
    '',
    'What is left to do:',
    ...steps.flatMap(([what, ...commands]) =>
      what === undefined ? [] : [`- ${what}`, ...commands.map((command) => `    ${command}`)],
    ),
  ]
}
