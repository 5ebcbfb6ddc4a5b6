import { isIP } from 'node:net'
import * as v from 'valibot'
import { isBech32 } from '../crypto/bech32.ts'
import { isPassword } from '../protocol/basic-auth.ts'
import { checkHost } from '../protocol/host-check.ts'
import { type HostPort, parseHostPort } from '../protocol/host-port.ts'

/*
 * What the values of the INI file may be. Each schema takes the trimmed text and gives the value; its message is a
 * predicate without a final stop, such as "must be on or off".
 */

export const onOff = v.pipe(
  v.picklist(['on', 'off'], 'must be on or off'),
  v.transform((text) => text === 'on'),
)

export const text = v.pipe(
  v.string(),
  v.minLength(1, 'must not be empty (to leave it unset, put # in front of the line)'),
)

/** Text; empty means unset. */
export const optionalText = v.pipe(
  v.string(),
  v.transform((value) => value || undefined),
)

export function integer(min: number, max: number): v.GenericSchema<string, number> {
  const allowed = `must be a whole number from ${min} to ${max}`
  return v.pipe(
    v.string(),
    v.regex(/^-?\d{1,15}$/, allowed),
    v.transform(Number),
    v.minValue(min, allowed),
    v.maxValue(max, allowed),
  )
}

export const port = integer(1, 65535)

export function choice<const Options extends readonly string[]>(options: Options): v.PicklistSchema<Options, string> {
  return v.picklist(options, `must be ${options.join(', ').replace(/, ([^,]*)$/, ' or $1')}`)
}

/** `5223,443`: each once; blanks around the commas are tolerated. */
export const portList = v.pipe(
  v.string(),
  v.transform((list) => list.split(',').map((item) => item.trim())),
  v.array(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,5}$/, 'must be port numbers separated by commas'),
      v.transform(Number),
      v.minValue(1, 'must be port numbers from 1 to 65535'),
      v.maxValue(65535, 'must be port numbers from 1 to 65535'),
    ),
  ),
  v.transform((ports) => [...new Set(ports)]),
)

/** `off`, `on` (port 80) or a list of ports. */
export const webSocketPorts = v.union(
  [
    v.pipe(
      v.literal('off'),
      v.transform((): number[] => []),
    ),
    v.pipe(
      v.literal('on'),
      v.transform((): number[] => [80]),
    ),
    portList,
  ],
  'must be off, on (port 80) or port numbers separated by commas',
)

export const country = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z]{2}$/, 'must be a two-letter ISO 3166 country code'),
  v.transform((code) => code.toUpperCase()),
)

/**
 * A password that can stand in a server address and that apps can send: no blanks, and no `@`, `:` or `/`, because there
 * is no way to escape them. Apps send its UTF-8 bytes, each of which must be one that relays accept.
 */
export const addressPassword = v.pipe(
  v.string(),
  v.minLength(1, 'must not be empty (to have no password, put # in front of the line)'),
  v.check((value) => !/[@:/]/.test(value), 'must not contain @, : or /'),
  v.check((value) => !/\s/.test(value), 'must not contain blanks'),
  v.check(
    (value) => isPassword(Buffer.from(value, 'utf8').toString('latin1')),
    'has characters that apps cannot send; use A-Z, a-z, 0-9 and symbols',
  ),
)

/** An address of this machine. */
export const address = v.pipe(
  v.string(),
  v.check((value) => isIP(value) !== 0, 'must be an IP address'),
)

/** What stands in `host` until the operator writes the real names. */
export const HOST_PLACEHOLDER = '<hostnames>'

/** `example.com,abc….onion`: the hosts that users are given, each once; none while the placeholder stands there. */
export const hostList = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): readonly string[] => {
    const items = dataset.value.split(',').map((item) => item.trim())
    const hosts = new Set<string>()
    for (const item of items) {
      if (item === HOST_PLACEHOLDER) continue
      const checked = checkHost(item)
      if ('fault' in checked) {
        const isWhole = items.length === 1
        addIssue({ message: isWhole ? checked.fault : `${item === '' ? 'one of the hosts' : item} ${checked.fault}` })
        return NEVER
      }
      hosts.add(checked.host)
    }
    return [...hosts]
  }),
)

/** Suffixes separated by blanks, or by commas as in `init --own-domains`. */
export const domainList = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): readonly string[] => {
    const domains: string[] = []
    for (const item of dataset.value.split(/[\s,]+/).filter((text) => text !== '')) {
      const checked = checkHost(item.replace(/^\./, ''))
      if ('fault' in checked) {
        addIssue({ message: `${item} ${checked.fault}` })
        return NEVER
      }
      domains.push(checked.host)
    }
    return domains
  }),
)

export type SocksLogin =
  | { readonly type: 'isolate' }
  | { readonly type: 'none' }
  | { readonly type: 'password'; readonly user: string; readonly password: string }

/** `isolate` logs in with a random name per destination, so that Tor gives each its own circuit. */
export interface SocksProxy {
  readonly host: string
  readonly port: number
  readonly login: SocksLogin
}

const socksAllowed = 'must be [user:password@ or @][host][:port], for example 127.0.0.1:9050'

/** The default host is 127.0.0.1 and the default port 9050; `localhost` means 127.0.0.1. */
export const socksProxy = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): SocksProxy => {
    const match = /^(?:(?:([^@:\s]+):([^@\s]*))?(@))?(\[[0-9a-fA-F:.]+\]|[^@:\s/[\]]*)(?::(\d{1,5}))?$/.exec(
      dataset.value,
    )
    const [, user, password, at, name = '', portText = '9050'] = match ?? []
    const host = name.replace(/^\[|\]$/g, '') || '127.0.0.1'
    const number = Number(portText)
    const isHost = name.startsWith('[') ? isIP(host) === 6 : 'host' in checkHost(host)
    if (!match || dataset.value === '' || !isHost || number < 1 || number > 65535) {
      addIssue({ message: socksAllowed })
      return NEVER
    }
    const login: SocksLogin =
      user !== undefined
        ? { type: 'password', user, password: password ?? '' }
        : at !== undefined
          ? { type: 'none' }
          : { type: 'isolate' }
    return { host: host === 'localhost' ? '127.0.0.1' : host, port: number, login }
  }),
)

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]', '0.0.0.0'])

/** An absolute http or https URL with a host, without user information; trailing slashes are dropped. */
export const endpoint = v.pipe(
  v.string(),
  v.check((url) => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    return parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.host !== '' && parsed.username === ''
  }, 'an absolute http or https URL without a user name'),
  // The URL has the name in the form in which DNS would be asked for it.
  v.check((url) => !/(?:^|\.)onion\.*$/.test(URL.parse(url)?.hostname ?? ''), 'a URL outside .onion, which needs Tor'),
  v.transform((url) => url.replace(/\/+$/, '')),
)

/** Whether credentials may be sent there: over TLS, or in the clear to this machine only. */
export function mayCarryCredentials(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || loopbackNames.has(hostname)
}

export type ResolverAuth =
  | { readonly type: 'bearer'; readonly token: string }
  | { readonly type: 'basic'; readonly user: string; readonly password: string }

export const resolverAuth = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): ResolverAuth => {
    const bearer = /^bearer\s+(\S+)$/i.exec(dataset.value)
    if (bearer?.[1]) return { type: 'bearer', token: bearer[1] }
    const basic = /^basic\s+([^:\s]+):(\S*)$/i.exec(dataset.value)
    if (basic?.[1]) return { type: 'basic', user: basic[1], password: basic[2] ?? '' }
    addIssue({ message: 'must be bearer <token> or basic <user>:<password>' })
    return NEVER
  }),
)

export const absolutePath = v.pipe(
  v.string(),
  v.check((value) => value.startsWith('/'), 'must be a path that begins with /'),
)

/** `relay.internal`, `10.0.0.2` or `[fd00::2]`, with or without a port. */
export const privateHost = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): HostPort => {
    const parsed = parseHostPort(dataset.value)
    if (parsed) return parsed
    addIssue({ message: 'must be HOST or HOST:PORT, as a Tor on another machine reaches this relay' })
    return NEVER
  }),
)

/** `age1…` or several of them, separated by commas or blanks. */
export const ageRecipients = v.pipe(
  v.string(),
  v.transform((list) => list.split(/[\s,]+/).filter((recipient) => recipient !== '')),
  v.minLength(1, 'must be an age recipient'),
  v.check(
    (recipients) => !recipients.some((recipient) => /^AGE-(?:SECRET-KEY|PLUGIN)-/i.test(recipient)),
    'must be a recipient (age1…), not the secret key that opens the backups: keep that away from this machine',
  ),
  v.check(
    (recipients) => recipients.every(isAgeRecipient),
    'must be age recipients (age1…) separated by commas, as `age-keygen` prints them',
  ),
)

/** The types that `age` itself has, and the length of the key in characters. */
function isAgeRecipient(text: string): boolean {
  return (text.length === 62 && isBech32(text, 'age')) || (text.length > 1000 && isBech32(text, 'age1pq'))
}
