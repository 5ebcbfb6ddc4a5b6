import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { setIniValue } from '../../../src/config/ini.ts'
import { resolvePaths } from '../../../src/config/paths.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import type { Settings } from '../../../src/config/settings.ts'
import { generateIni } from '../../../src/config/template.ts'

const file = '/etc/opt/simplex/smp-server.ini'
const paths = resolvePaths({})
const generated = generateIni({ paths, storeLog: true, dailyStats: false, createPassword: 'secret', web: true })

function settingsOf(text: string): Settings {
  return readSettings(text, file).settings
}

function refusal(text: string): string {
  try {
    readSettings(text, file)
  } catch (error) {
    if (error instanceof AppError) return error.message
    throw error
  }
  return 'accepted'
}

function withKey(section: string, key: string, value: string): string {
  return setIniValue(generated, section, key, value)
}

describe('a generated file', () => {
  it('is understood without a warning', () => {
    const { settings, warnings } = readSettings(generated, file)
    expect(warnings).toEqual([])
    expect(settings).toMatchObject({
      information: undefined,
      store: { persistent: true, restoreMessages: true, messageTtl: 21 * 86_400, expireOnSend: false, logStats: false },
      auth: { newQueues: true, createPassword: 'secret', controlPortAdminPassword: undefined },
      transport: { hosts: [], ports: [5223, 443], webSocketPorts: [], controlPort: undefined },
      proxy: { hostMode: 'public', socksMode: 'onion', socksProxy: undefined, clientConcurrency: 32 },
      names: undefined,
      inactiveClients: { ttl: 21_600, checkInterval: 3600 },
      web: { httpPort: undefined, https: { port: 443, certificate: paths.webCertificate, key: paths.webKey } },
      tor: { mode: undefined, instance: 'smp', checkInterval: 1800 },
    })
  })
})

it('an INI file of the first versions is understood', () => {
  const { settings, warnings } = readSettings(
    `[STORE_LOG]
enable: on
restore_messages: on
expire_messages_days: 30
log_stats: off
[AUTH]
new_queues: on
create_password: x
[TRANSPORT]
host: h.example,e3fsut6v7y3eazdxphueja7n6fbtkolj3fhzqmdq23qr2oxiiejusyid.onion
port: 5223
log_tls_errors: off
websockets: off
[INACTIVE_CLIENTS]
disconnect: off
`,
    file,
  )
  expect(warnings).toEqual([])
  expect(settings).toMatchObject({
    store: { messageTtl: 30 * 86_400, expireOnSend: true, notificationTtl: 86_400 },
    auth: { createPassword: 'x', dailyBlockQueueQuota: 20 },
    transport: {
      hosts: ['h.example', 'e3fsut6v7y3eazdxphueja7n6fbtkolj3fhzqmdq23qr2oxiiejusyid.onion'],
      ports: [5223],
    },
    inactiveClients: undefined,
    web: { staticPath: undefined, https: undefined },
  })
})

describe('a bad value', () => {
  it.each([
    ['AUTH', 'new_queues', 'yes', 'must be on or off.'],
    ['AUTH', 'daily_block_queue_quota', '-2', 'must be a whole number from -1 to'],
    ['STORE_LOG', 'expire_messages_days', '21 days', 'must be a whole number from 1 to 36500.'],
    ['STORE_LOG', 'store_messages', 'disk', 'must be memory, journal or database.'],
    ['STORE_LOG', 'store_messages', 'database', 'must be memory or journal while store_queues is memory.'],
    ['TRANSPORT', 'port', '5223;443', 'must be port numbers separated by commas.'],
    ['TRANSPORT', 'port', '70000', 'must be port numbers from 1 to 65535.'],
    ['TRANSPORT', 'websockets', 'yes', 'must be off, on (port 80) or port numbers separated by commas.'],
    ['TRANSPORT', 'host', 'a b', 'contains a blank; separate hosts with commas.'],
    ['PROXY', 'host_mode', 'tor', 'must be public or onion.'],
    ['PROXY', 'socks_proxy', '127.0.0.1:0', 'must be [user:password@ or @][host][:port], for example 127.0.0.1:9050.'],
    ['TOR', 'mode', 'both', 'must be own, system, external or torrc.'],
  ])('[%s] %s = %s is one sentence that says where it is and what is allowed', (section, key, value, allowed) => {
    const sentence = refusal(withKey(section, key, value))
    expect(sentence).toMatch(new RegExp(`^${file}:\\d+: \\[${section}\\] ${key} = `))
    expect(sentence).toContain(value)
    expect(sentence).toContain(allowed)
    expect(sentence.split('\n')).toHaveLength(1)
  })

  it.each(['a b', 'a@b', 'a:b', 'a/b', ''])('a password like "%s" is refused without showing it', (password) => {
    const sentence = refusal(withKey('AUTH', 'create_password', password))
    expect(sentence).toContain('[AUTH] create_password = ')
    if (password !== '') expect(sentence).not.toContain(password)
  })

  it('is reported together with all others', () => {
    const text = setIniValue(withKey('AUTH', 'new_queues', 'yes'), 'TRANSPORT', 'log_tls_errors', 'no')
    expect(refusal(text).split('\n')).toHaveLength(2)
  })

  it('of a lenient key is a warning, and the key counts as missing', () => {
    const { settings, warnings } = readSettings(withKey('WEB', 'https', 'x'), file)
    expect(settings.web.https).toBeUndefined()
    expect(warnings).toEqual([expect.stringMatching(/\[WEB\] https = x: .* It is ignored\.$/)])
  })

  it('under [INFORMATION] matters only once there is a source_code', () => {
    const text = withKey('INFORMATION', 'server_country', 'USA')
    expect(settingsOf(text).information).toBeUndefined()
    expect(refusal(setIniValue(text, 'INFORMATION', 'source_code', 'https://a.example'))).toContain('two-letter')
  })
})

it('a missing port is refused, naming the line that swallowed it', () => {
  expect(refusal('[TRANSPORT]\nhost = a\n')).toBe(`${file}: [TRANSPORT] port is missing.`)
  expect(refusal('[TRANSPORT]\nstray\nport = 5223\n')).toContain('line 2 has neither = nor :')
})

describe('warnings', () => {
  it('name the section that a key belongs to', () => {
    const { warnings } = readSettings(withKey('TRANSPORT', 'socks_proxy', '127.0.0.1:9050'), file)
    expect(warnings).toEqual([
      expect.stringMatching(/:\d+: socks_proxy in \[TRANSPORT\] is ignored: socks_proxy belongs in \[PROXY\]\.$/),
    ])
  })

  it('name unknown keys and sections', () => {
    const { warnings } = readSettings(`${generated}[SPEED]\nfast = yes\n[PROXY]\nsock = 1\n`, file)
    expect(warnings).toEqual([
      expect.stringContaining('[PROXY] appears again'),
      expect.stringContaining('fast in [SPEED] is ignored: [SPEED] is not a section.'),
      expect.stringContaining('sock in [PROXY] is ignored: [PROXY] has no such key.'),
    ])
  })
})

describe('values', () => {
  it.each([
    ['127.0.0.1:9050', { host: '127.0.0.1', port: 9050, login: { type: 'isolate' } }],
    ['localhost:9050', { host: '127.0.0.1', port: 9050, login: { type: 'isolate' } }],
    [':9150', { host: '127.0.0.1', port: 9150, login: { type: 'isolate' } }],
    ['[::1]', { host: '::1', port: 9050, login: { type: 'isolate' } }],
    ['@tor:9050', { host: 'tor', port: 9050, login: { type: 'none' } }],
    ['u:p@10.0.0.1', { host: '10.0.0.1', port: 9050, login: { type: 'password', user: 'u', password: 'p' } }],
  ])('socks_proxy accepts %s', (value, expected) => {
    expect(settingsOf(withKey('PROXY', 'socks_proxy', value)).proxy.socksProxy).toEqual(expected)
  })

  it('own_server_domains takes blanks and commas', () => {
    expect(settingsOf(withKey('PROXY', 'own_server_domains', 'a.example, b.example')).proxy.ownServerDomains).toEqual([
      'a.example',
      'b.example',
    ])
  })

  it('WebSocket ports do not repeat those of the relay', () => {
    expect(settingsOf(withKey('TRANSPORT', 'websockets', '443,8443')).transport.webSocketPorts).toEqual([8443])
    expect(settingsOf(withKey('TRANSPORT', 'websockets', 'on')).transport.webSocketPorts).toEqual([80])
  })

  it('credentials for the resolver go in the clear to this machine only', () => {
    const on = withKey('NAMES', 'enable', 'on')
    const auth = setIniValue(on, 'NAMES', 'resolver_auth', 'basic u:p')
    expect(settingsOf(setIniValue(auth, 'NAMES', 'resolver_endpoint', 'http://127.0.0.1:8000/')).names).toMatchObject({
      endpoint: 'http://127.0.0.1:8000',
      auth: { type: 'basic', user: 'u', password: 'p' },
    })
    expect(refusal(setIniValue(auth, 'NAMES', 'resolver_endpoint', 'http://names.example'))).toContain('must be https')
    for (const name of ['abc.onion', 'abc\u3002onion', 'abc.onion.']) {
      expect(refusal(setIniValue(on, 'NAMES', 'resolver_endpoint', `http://${name}`))).toContain('outside .onion')
    }
    expect(refusal(on)).toContain('resolver_endpoint is missing')
  })

  it('a contact needs an address, an e-mail or a complete PGP key', () => {
    const source = withKey('INFORMATION', 'source_code', 'https://a.example')
    const key = setIniValue(source, 'INFORMATION', 'admin_pgp', 'https://a.example/key')
    expect(settingsOf(key).information?.admin).toBeUndefined()
    expect(settingsOf(setIniValue(key, 'INFORMATION', 'admin_pgp_fingerprint', 'AB')).information?.admin).toMatchObject(
      {
        pgp: { key: 'https://a.example/key', fingerprint: 'AB' },
      },
    )
  })
})

describe('[BACKUP]', () => {
  const recipient = 'age1efch63udvu64v6hz9m99p6x29admy267ycf7m4qz05vs3xlph3eszqxytv'
  const backup = (...lines: string[]): string =>
    lines.reduce((text, line) => {
      const [key = '', value = ''] = line.split(' = ')
      return setIniValue(text, 'BACKUP', key, value)
    }, generated)

  it('makes no automatic backups without a directory', () => {
    expect(settingsOf(generated).backup).toEqual({
      directory: undefined,
      schedule: '0 4 * * *',
      keep: 7,
      lock: undefined,
    })
  })

  it('is read with several recipients, or with a passphrase file', () => {
    const lines = [
      'directory = /mnt/backups',
      'schedule = sun 03:30',
      'keep = 30',
      `recipient = ${recipient}, ${recipient}`,
    ]
    expect(settingsOf(backup(...lines)).backup).toEqual({
      directory: '/mnt/backups',
      schedule: '30 3 * * 0',
      keep: 30,
      lock: { type: 'recipients', recipients: [recipient, recipient] },
    })
    const { lock } = settingsOf(backup('directory = /mnt/backups', 'passphrase_file = /root/words')).backup
    expect(lock).toEqual({ type: 'passphrase', file: '/root/words' })
  })

  it('is refused where a backup would not be encrypted, or nobody knows with what', () => {
    expect(refusal(backup('directory = /mnt/backups'))).toContain('[BACKUP] recipient = (missing): must be set')
    const both = backup('directory = /b', `recipient = ${recipient}`, 'passphrase_file = /p')
    expect(refusal(both)).toContain('cannot be combined with recipient')
  })

  it.each([
    ['directory = backups', 'must be a path that begins with /'],
    ['schedule = nightly', 'must be hourly, daily'],
    ['keep = 0', 'must be a whole number from 1'],
    [`recipient = ${recipient.replace('v', 'w')}`, 'must be age recipients'],
    ['recipient = ssh-ed25519 AAAA', 'must be age recipients'],
    ['recipient = AGE-SECRET-KEY-1QQQ', 'must be a recipient (age1…), not the secret key'],
  ])('refuses %s', (line, fault) => {
    expect(refusal(backup('directory = /mnt/backups', 'recipient = ' + recipient, line))).toContain(fault)
  })
})
