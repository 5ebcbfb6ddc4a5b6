import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import * as v from 'valibot'
import { addressPassword, choice, country, integer, port, socksProxy } from '../../config/key-values.ts'
import { checked, hostOption, parsedBy, valueOption } from '../options.ts'

/** The options of `init` as commander gives them. */
export interface InitOptions {
  readonly disableStoreLog?: boolean | undefined
  readonly storeLog?: boolean | undefined
  readonly database: string
  /** --database was given: queues and messages are in PostgreSQL. */
  readonly usesDatabase?: boolean
  readonly schema: string
  readonly poolSize: number
  readonly dailyStats?: boolean | undefined
  readonly signAlgorithm: 'ED25519' | 'ED448'
  readonly ip: string
  readonly fqdn?: string | undefined
  /** `false` for --no-password; `undefined` for a random one. */
  readonly password?: string | false | undefined
  /** Its first line is the password. */
  readonly passwordFile?: string
  readonly controlPort?: number
  readonly socksProxy?: string
  readonly ownDomains?: string
  /** `false` for a bare --source-code while the source code of this program is unknown. */
  readonly sourceCode?: string | false
  readonly operator?: string
  readonly operatorCountry?: string
  readonly hosting?: string
  readonly hostingCountry?: string
  readonly hostingType?: string
  readonly serverCountry?: string
  readonly operatorWebsite?: string
  readonly webPath?: string
  readonly disableWeb?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly hidePassword?: true | undefined
  readonly webCert?: string | undefined
  readonly webKey?: string | undefined
  /** `false` for --no-onion; `undefined` when nothing was said. */
  readonly onion?: boolean | undefined
  /** For the onion service. */
  readonly torrcExtra?: string
  /** The questions of upstream, also on a terminal. */
  readonly upstreamPrompts?: true
}

export function knownSourceCode({ sourceCode }: InitOptions): string | undefined {
  return sourceCode === false ? undefined : sourceCode
}

export const defaultIp = '127.0.0.1'

function ipOption(value: string): string {
  const host = hostOption(value)
  if (isIP(host) !== 0) return host
  throw new InvalidArgumentError(`"${value}" is not an IP address; give a name with --fqdn`)
}

/**
 * In the order of the help.
 *
 * @param sourceCode where the source code of this program is, if known (the AGPL asks for it)
 */
export function initOptions(sourceCode: string | undefined): Option[] {
  const anyText = v.pipe(v.string(), v.regex(/^[^\r\n]*$/, 'one line'))
  const countryOf = (what: string): ((value: string) => string) =>
    checked(country, `Use ISO3166 2-letter code for ${what}`)
  return [
    new Option('--disable-store-log', 'Keep queues and messages in memory only: lost when the relay stops'),
    new Option('-l, --store-log', 'Keep queues and messages on disk (DEPRECATED: this is the default)'),
    valueOption(
      '-d, --database <DB_CONN>',
      'Keep queues and messages in PostgreSQL; connection string',
      checked(anyText),
      {
        value: 'postgresql://smp@/smp_server_store',
      },
    ),
    valueOption('--schema <DB_SCHEMA>', 'PostgreSQL schema', checked(anyText), { value: 'smp_server' }),
    valueOption('--pool-size <POOL_SIZE>', 'Number of PostgreSQL connections', parsedBy(integer(1, 1000)), {
      value: 10,
    }),
    new Option('-s, --daily-stats', 'Write one line of statistics per day'),
    valueOption(
      '-a, --sign-algorithm <ALG>',
      'Key type of both certificates: ED25519, ED448',
      parsedBy(choice(['ED25519', 'ED448'])),
      { value: 'ED25519', shown: 'ED25519' },
    ),
    valueOption('--ip <IP>', 'IP address of this relay, for its address and certificate; --fqdn wins', ipOption, {
      value: defaultIp,
    }),
    valueOption('-n, --fqdn <FQDN>', 'Domain name of this relay, for its address and certificate', hostOption),
    new Option('--no-password', 'Let everyone create queues'),
    valueOption(
      '--password <PASSWORD>',
      'Password for creating queues; default is a random one',
      checked(addressPassword),
    ),
    valueOption('--control-port [PORT]', 'Open control port 5224\nOpen a control port', parsedBy(port)).preset('5224'),
    valueOption(
      '--socks-proxy [PROXY]',
      'Reach onion-only relays through SOCKS port 9050\nReach onion-only relays through this SOCKS proxy',
      (value) => {
        checked(socksProxy)(value)
        return value
      },
    ).preset('127.0.0.1:9050'),
    valueOption('--own-domains <DOMAINS>', 'Domains of your other relays (comma-separated)', checked(anyText)),
    valueOption(
      '--source-code [URI]',
      `URI of the source code: ${sourceCode ?? 'unknown to this build, pass one'}\nURI of the source code`,
      (value) => (value === '' ? false : checked(anyText)(value)),
    ).preset(sourceCode ?? ''),
    valueOption('--operator <OPERATOR_NAME>', 'Who runs this relay', checked(anyText)),
    valueOption('--operator-country <OPERATOR_COUNTRY>', 'Country of the operator', countryOf('operator')),
    valueOption('--hosting <HOSTING_NAME>', 'Who hosts this relay', checked(anyText)),
    valueOption('--hosting-country <HOSTING_COUNTRY>', 'Country of the hosting provider', countryOf('hosting')),
    valueOption(
      '--hosting-type <HOSTING_TYPE>',
      'Type of hosting: virtual, dedicated, colocation, owned',
      parsedBy(choice(['virtual', 'dedicated', 'colocation', 'owned'])),
    ),
    valueOption('--server-country <SERVER_COUNTRY>', 'Country of the machine', countryOf('server')),
    valueOption('--operator-website <WEBSITE>', 'Website of the operator', checked(anyText)),
    valueOption('--web-path <PATH>', 'Directory for the web site of this relay', checked(anyText)),
    new Option('--disable-web', 'Do not serve a web site'),
    new Option('-y, --yes', 'Ask nothing'),
    // What upstream does not have comes last.
    new Option('--upstream-prompts', 'Ask on a terminal what upstream asks, as without a terminal'),
    new Option('--onion', 'Set up an onion service as well, with `smp-server tor setup`'),
    new Option('--no-onion', 'Do not ask for an onion service'),
    valueOption('--torrc-extra <FILE>', 'Lines for the torrc of the onion service, for bridges say', (file) =>
      resolve(file),
    ),
    valueOption('--web-cert <FILE>', 'Certificate of the web site, PEM', (file) => resolve(file)),
    valueOption('--web-key <FILE>', 'Its key, PEM', (file) => resolve(file)),
    new Option('--hide-password', 'Keep the password out of the log of `start`'),
    valueOption('--password-file <FILE>', 'File whose first line is the password', (file) => resolve(file)).conflicts(
      'password',
    ),
  ]
}
