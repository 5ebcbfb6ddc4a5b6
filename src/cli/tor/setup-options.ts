import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { integer } from '../../config/key-values.ts'
import { addOptions, checked, valueOption } from '../options.ts'

/** The options of `tor setup` as they are typed. */
export interface TorSetupOptions {
  readonly own?: true
  readonly system?: true
  readonly instance?: string
  readonly torrcManaged?: true
  readonly adopt?: string
  readonly importKey?: string
  readonly onionOnly?: true
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
    new Option('--own', 'The server runs a tor of its own, which needs no root'),
    new Option('--system', 'systemd runs a tor instance beside that of the system, needs root'),
    new Option('--instance <NAME>', "Name of that instance; default is the machine's own tor"),
    new Option('--torrc-managed', 'The service stands in the torrc, the server gets no access to tor'),
    valueOption('--adopt <DIR>', 'Take over the service that was set up by hand with this HiddenServiceDir', path),
    valueOption('--import-key <FILE>', 'Use this secret key of an onion service', path),
    new Option('--onion-only', 'An anonymous service, for a server that has an onion name only'),
    new Option('--yes-i-know', 'Publish a clearnet host beside an anonymous service'),
    new Option('--with-socks', 'An ordinary tor, to reach servers that have an onion name only'),
    new Option('--also-web', "The onion name leads to the server's pages too, on ports 80 and 443"),
    new Option('--pow', 'Let clients work for a connection during a flood of requests'),
    new Option('--intro-defence', 'Limit requests at the introduction points, with --torrc-managed'),
    valueOption('--max-streams <N>', 'Streams that one circuit may open', checked(integer(1, 65_535))),
    new Option('--official-repo', "Install tor from the Tor Project's own package repository"),
    valueOption('--torrc-extra <FILE>', 'Further lines for the torrc, kept for every start of tor', path),
    new Option('--dry-run', 'Show what would be changed, as a diff, and change nothing'),
    new Option('-y, --yes', 'Ask nothing'),
  ])
}
