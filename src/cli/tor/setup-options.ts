import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import * as v from 'valibot'
import { integer, privateHost } from '../../config/key-values.ts'
import type { HostPort } from '../../protocol/host-port.ts'
import { addOptions, checked, valueOption } from '../options.ts'
import { parseEndpoint } from '../../tor/index.ts'

const controlAddress = v.pipe(
  v.string(),
  v.check((text) => parseEndpoint(text) !== undefined, 'must be HOST:PORT or unix:PATH'),
)

/** The options of `tor setup` as they are typed. */
export interface TorSetupOptions {
  readonly own?: true
  readonly system?: true
  readonly instance?: string
  readonly torrcManaged?: true
  readonly control?: string
  readonly controlPasswordFile?: string
  readonly controlCookie?: string
  readonly target?: HostPort
  readonly adopt?: string
  readonly importKey?: string
  readonly onionOnly?: true
  readonly threeHop?: true
  readonly yesIKnow?: true
  readonly withSocks?: true
  readonly alsoWeb?: true
  readonly pow?: true
  readonly introDefence?: true
  readonly maxStreams?: number
  readonly officialRepo?: true
  readonly torrcExtra?: string
  readonly dryRun?: true
  readonly yes?: true
}

export function addSetupOptions(command: Command): void {
  const path = (file: string): string => resolve(file)
  addOptions(command, [
    new Option('--own', 'Mode own: the relay runs tor itself; no root needed (default)'),
    new Option('--system', 'Mode system: systemd runs a tor instance beside the default one; needs root'),
    new Option('--instance <NAME>', "Name of that instance (smp); 'default' is the machine's own tor"),
    new Option('--torrc-managed', 'Mode torrc: the service and its key stay in a torrc, out of reach of the relay'),
    valueOption(
      '--control <ADDRESS>',
      'Mode external: a tor elsewhere, with this control port: HOST:PORT or unix:PATH',
      checked(controlAddress),
    ),
    valueOption('--control-password-file <FILE>', 'File with the password of that control port', path),
    valueOption('--control-cookie <FILE>', 'The cookie of that control port, where this machine sees it', path),
    valueOption('--target <HOST>', 'HOST or HOST:PORT at which that tor reaches this relay', checked(privateHost)),
    valueOption('--adopt <DIR>', 'Adopt the manually configured service with this HiddenServiceDir', path),
    valueOption('--import-key <FILE>', 'Use this secret key of an onion service', path),
    new Option('--onion-only', 'An anonymous service, for a relay without a public host'),
    new Option('--three-hop', 'An ordinary service beside a public host: slower, for networks where tor needs bridges'),
    new Option('--yes-i-know', 'Accept what the command would otherwise refuse, such as revealing or losing something'),
    new Option('--with-socks', 'Run an ordinary tor too, to reach relays that have only an onion address'),
    new Option('--also-web', 'Serve the web site at the onion address too, on ports 80 and 443'),
    new Option('--pow', 'Require proof of work from clients while the service is flooded'),
    new Option('--intro-defence', 'Rate limits at the introduction points, with --torrc-managed'),
    valueOption('--max-streams <N>', 'Limit of streams per circuit', checked(integer(1, 65_535))),
    new Option('--official-repo', "Install tor from the Tor Project's package repository"),
    valueOption('--torrc-extra <FILE>', 'Additional torrc lines, used at every start of tor', path),
    new Option('--dry-run', 'Show the changes as a diff, and change nothing'),
    new Option('-y, --yes', 'Do not ask for confirmation'),
  ])
}
