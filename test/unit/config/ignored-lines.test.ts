import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { readSettings, type SettingsResult } from '../../../src/config/read-settings.ts'

const TRANSPORT = '[TRANSPORT]\nhost = smp.example.org\nport = 7301\nwebsockets = off\n'

function read(text: string): SettingsResult {
  return readSettings(text, 'x.ini')
}

/** The lines of the error, without the hints. */
function refusal(text: string): string[] {
  try {
    read(text)
  } catch (error) {
    if (error instanceof AppError) return error.message.split('\n').filter((line) => !line.startsWith('Warning: '))
  }
  throw new Error('nothing was refused')
}

describe('a create_password that would not count stops the relay, which would be open to everyone:', () => {
  const open = 'Without it, the relay would be open to everyone.'
  it.each([
    [
      'its section header is lost',
      `[INFORMATION]\nsource_code: https://example.org\nnew_queues: on\ncreate_password: secret1\n${TRANSPORT}`,
      `x.ini:4: create_password in [INFORMATION] is ignored: create_password belongs in [AUTH]. ${open}`,
    ],
    [
      'it stands before the first section',
      `create_password = secret1\n${TRANSPORT}`,
      `x.ini:1: create_password is ignored: it is not in a section: create_password belongs in [AUTH]. ${open}`,
    ],
    [
      'a second [AUTH] replaces the first',
      `[AUTH]\ncreate_password = secret1\n${TRANSPORT}[AUTH]\ncontrol_port_admin_password = secret2\n`,
      `x.ini:2: create_password in [AUTH] is ignored: [AUTH] begins again in line 7. ${open}`,
    ],
    [
      'an array above stops the reading',
      `${TRANSPORT}[PROXY]\nown_server_domains[]=example.org\n[AUTH]\ncreate_password=secret1\n`,
      `x.ini:8: create_password in [AUTH] is ignored: the file is not read from line 6 on. ${open}`,
    ],
    [
      'a header above has no closing bracket',
      `${TRANSPORT}[AUTH\ncreate_password=secret1\n`,
      `x.ini:6: create_password in [TRANSPORT] is ignored: the file is not read from line 5 on. ${open}`,
    ],
    [
      'the line above has no separator',
      `[AUTH]\nnew_queues on\ncreate_password = secret1\n${TRANSPORT}`,
      `x.ini:3: create_password in [AUTH] is ignored: line 2 has neither = nor :, so line 3 is ignored. ${open}`,
    ],
    [
      'its section is in lower case',
      `[auth]\ncreate_password = secret1\n${TRANSPORT}`,
      `x.ini:2: create_password in [auth] is ignored: the section must be written [AUTH], not [auth]. ${open}`,
    ],
    [
      'its section has a longer name',
      `[AUTHENTICATION]\ncreate_password = secret1\n${TRANSPORT}`,
      `x.ini:2: create_password in [AUTHENTICATION] is ignored: [AUTHENTICATION] is not a section: did you mean [AUTH]? ${open}`,
    ],
    [
      'its section is unknown',
      `[SERVER]\ncreate_password = secret1\n${TRANSPORT}`,
      `x.ini:2: create_password in [SERVER] is ignored: [SERVER] is not a section: create_password belongs in [AUTH]. ${open}`,
    ],
    [
      'it has no separator, and the next line is read as a part of it',
      `[AUTH]\ncreate_password secret1\nnew_queues = on\n${TRANSPORT}`,
      `x.ini:2: create_password in [AUTH] is ignored: line 2 has neither = nor :, so line 3 is ignored. ${open}`,
    ],
    [
      'its separator is an arrow',
      `[AUTH]\ncreate_password -> secret1\nnew_queues = on\n${TRANSPORT}`,
      `x.ini:2: create_password in [AUTH] is ignored: line 2 has neither = nor :, so line 3 is ignored. ${open}`,
    ],
    [
      'it has no separator, and the reading stops there',
      `${TRANSPORT}[AUTH]\ncreate_password secret1\n`,
      `x.ini:6: create_password in [AUTH] is ignored: line 6 is not a setting, so the rest of the file is ignored. ${open}`,
    ],
    [
      'it is misspelt, with the separator in the next line',
      `[AUTH]\ncreate_pasword\n= secret1\n${TRANSPORT}`,
      `x.ini:3: create_pasword in [AUTH] is ignored: [AUTH] has no such key: did you mean create_password? ${open}`,
    ],
    [
      'its line is continued as in a shell',
      `[AUTH]\ncreate_password \\\n  = secret1\n${TRANSPORT}`,
      `x.ini:3: create_password \\ in [AUTH] is ignored: [AUTH] has no such key: did you mean create_password? ${open}`,
    ],
    ...[
      'AUTH.create_password',
      'auth/create_password',
      'SMP_CREATE_PASSWORD',
      'export create_password',
      'create_password (optional)',
      'create_queue_password',
      'creation_password',
      'create_pass',
      'basic_auth',
      'pwd',
    ].map((key) => [
      `it is called ${key}`,
      `[AUTH]\n${key} = secret1\n${TRANSPORT}`,
      `x.ini:2: ${key} in [AUTH] is ignored: [AUTH] has no such key: did you mean create_password? ${open}`,
    ]),
    ...['creat_password', 'create-password', 'createpassword', 'Create_Password', 'create_pasword', 'password'].map(
      (key) => [
        `it is spelt ${key}`,
        `[AUTH]\n${key} = secret1\n${TRANSPORT}`,
        `x.ini:2: ${key} in [AUTH] is ignored: [AUTH] has no such key: did you mean create_password? ${open}`,
      ],
    ),
  ])('%s', (_why, text, sentence) => {
    expect(refusal(text)).toContain(sentence)
    expect(refusal(text).join('\n')).not.toContain('secret1')
    expect(refusal(text.replaceAll('\n', '\r\n'))).toContain(sentence)
    expect(refusal(`\ufeff${text}`)).toContain(sentence)
  })
})

describe('a relay without a password starts', () => {
  it.each([
    ['when no line mentions one', TRANSPORT],
    ['when its line is commented out', `[AUTH]\n# create_password = secret1\n;create_password = secret1\n${TRANSPORT}`],
  ])('%s', (_why, text) => {
    expect(read(text).settings.auth.createPassword).toBeUndefined()
  })
})

it('a second create_password is only a warning: the first one counts', () => {
  const { settings, warnings } = read(`[AUTH]\ncreate_password = one\ncreate_password = two\n${TRANSPORT}`)
  expect(settings.auth.createPassword).toBe('one')
  expect(warnings).toEqual(['x.ini:3: create_password in [AUTH] is ignored: it is set above.'])
})

describe('a line that protects more than the counting one stops the relay:', () => {
  it.each([
    ['[AUTH]\nnew_queues = on\nnew_queues = off\n', 'new_queues', 'anyone could create queues'],
    ['[auth]\nnew_queues = off\n', 'new_queues', 'anyone could create queues'],
    ['[STORE-LOG]\nenable = on\n', 'enable', 'queues and messages would be lost at the next restart'],
    ['[INFORMATION]\nenable = on\n', 'enable', 'queues and messages would be lost at the next restart'],
    ['[Tor]\nsingle_hop = off\n', 'single_hop', 'the onion service would reveal the location of this machine'],
    ['[WEB]\nlisten_host = 127.0.0.1\n', 'listen_host', 'the relay would listen on all addresses'],
    ['[TRANSPORTS]\nlistenhost = 127.0.0.1\n', 'listenhost', 'the relay would listen on all addresses'],
    ['[SOCKS]\nsocks_mode = always\n', 'socks_mode', 'this relay would connect to other relays directly'],
    ['[STORE_LOG]\nenable on\nlog_stats = off\n', 'enable', 'queues and messages would be lost at the next restart'],
    ['[X]\nSTORE_LOG.enable = on\n', 'STORE_LOG.enable', 'queues and messages would be lost at the next restart'],
    ['[AUTH]\nAUTH.new_queues = off\n', 'AUTH.new_queues', 'anyone could create queues'],
    ['[AUTH]\nallow_new_queues = off\n', 'allow_new_queues', 'anyone could create queues'],
    ['[TRANSPORT]\nport = 1\nlisten_host 127.0.0.1\nx = y\n', 'listen_host', 'the relay would listen on all addresses'],
    ['[TRANSPORT]\nport = 1\nbind_address = 127.0.0.1\n', 'bind_address', 'the relay would listen on all addresses'],
    ['[TRANSPORT]\nport = 1\nlisten = 127.0.0.1\n', 'listen', 'the relay would listen on all addresses'],
  ])('%j', (text, key, risk) => {
    expect(refusal(`${text}${TRANSPORT}`)).toEqual([
      expect.stringMatching(new RegExp(`^x\\.ini:\\d: ${key} in .* is ignored: .*Without it, ${risk}\\.$`)),
    ])
  })
})

describe('a line that changes nothing is no reason to refuse:', () => {
  it.each([
    ['the value is the default', '[auth]\nnew_queues = on\n'],
    ['the same value counts elsewhere', '[AUTH]\nnew_queues = off\n[AUTHS]\nnew_queues = off\n'],
    ['a password of another purpose is misspelt', '[AUTH]\ncontrol_port_admin_pasword = x\n'],
    ['a password of something else is in another section', '[PROXY]\nsocks_password = x\n'],
    ['a sentence that begins with a key is glued', '[INFORMATION]\nwebsite = x\n  host of this relay\noperator = y\n'],
    ['a section of another program has a key of this name', '[STORE_LOG]\nenable = off\n[MONITOR]\nenable = on\n'],
    ['the key belongs to another section as well', '[STORE_LOG]\nenable = on\n[NAMES]\nenable = off\n'],
  ])('%s', (_why, text) => {
    expect(() => read(`${text}${TRANSPORT}`)).not.toThrow()
  })
})

describe('a missing port is explained by the line that was meant to set it:', () => {
  it.each([
    [
      '[transport]\nport: 7301\n',
      'port in line 2 is ignored: the section must be written [TRANSPORT], not [transport]',
    ],
    [
      '[SERVER]\nhost: a.example\nport: 7301\n[TRANSPORT]\nwebsockets: off\n',
      'port in line 3 is ignored: [SERVER] is not a section',
    ],
    ['[TRANSPORT]\nports = 7301\n', 'ports in line 2 is ignored: [TRANSPORT] has no such key: did you mean port?'],
    ['port = 7301\n[TRANSPORT]\n', 'port in line 1 is ignored: it is not in a section'],
  ])('%j', (text, hint) => {
    const [sentence = ''] = refusal(text)
    expect(sentence).toContain(`x.ini: [TRANSPORT] port is missing; ${hint}`)
  })
})

it('a refusal comes with the warnings that a start would give', () => {
  expect(() => read(`[STORE_LOG]\nenable = yes\n[PROXY]\nsock = 1\n${TRANSPORT}`)).toThrow(
    'x.ini:2: [STORE_LOG] enable = yes: must be on or off.\nWarning: x.ini:4: sock in [PROXY] is ignored: [PROXY] has no such key.',
  )
})

describe('habits from the INI files of other programs are named:', () => {
  it.each([
    ['[STORE_LOG]\nenable = "on"\n', '[STORE_LOG] enable = "on": write it without quotation marks.'],
    ["[STORE_LOG]\nenable = 'off'\n", "[STORE_LOG] enable = 'off': write it without quotation marks."],
    ['[STORE_LOG]\nenable = on # keep\n', 'must be on or off; a comment needs a line of its own.'],
    ['[STORE_LOG]\nenable = on ; keep\n', 'must be on or off; a comment needs a line of its own.'],
    ['[STORE_LOG]\nenable => on\n', 'must be on or off; the separator is one = or one :.'],
    ['[STORE_LOG]\nenable := on\n', 'must be on or off; the separator is one = or one :.'],
    ['[AUTH]\ncreate_password = a b # x\n', 'must not contain blanks; a comment needs a line of its own.'],
  ])('%j', (text, fault) => {
    expect(refusal(`${text}${TRANSPORT}`)[0]).toContain(fault)
  })

  it.each([
    ['[[STORE_LOG]]\nenable = off\n', 'line 1 is a section in a section, which this file cannot have'],
    [
      '[PROXY]\nown_server_domains[0] = a.example\n',
      'line 2 is an array, which this file cannot have (write one line)',
    ],
    ['[PROXY]\n= a.example\n', 'line 2 has nothing in front of the separator'],
  ])('%j', (text, hint) => {
    expect(() => read(`${text}${TRANSPORT}`)).toThrow(hint)
  })

  it('a value of several lines', () => {
    expect(() => read('[TRANSPORT]\nhost = a.example,\n  b.example\nport = 7301\n')).toThrow(
      'port in line 4 is ignored: line 3 continues a value, but a value is one line, so line 4 is ignored',
    )
  })

  it('quotation marks around a text, which are read as a part of it', () => {
    const { settings, warnings } = read(`[AUTH]\ncreate_password = "secret1"\n${TRANSPORT}`)
    expect(settings.auth.createPassword).toBe('"secret1"')
    expect(warnings).toEqual([
      'x.ini:2: [AUTH] create_password = …: the quotation marks are read as a part of the value.',
    ])
  })

  it('a comment behind a host, which is said once', () => {
    expect(refusal('[TRANSPORT]\nport = 1\nhost = a.example # x\n')).toEqual([
      'x.ini:3: [TRANSPORT] host = a.example # x: contains a comment; comments need a line of their own.',
    ])
  })

  it.each(['${SMP_PASSWORD}', '$SMP_PASSWORD', '{{password}}', '<password>', '%PASSWORD%'])(
    'a placeholder of a template, which is a password that others could guess: %s',
    (password) => {
      const { settings, warnings } = read(`[AUTH]\ncreate_password = ${password}\n${TRANSPORT}`)
      expect(settings.auth.createPassword).toBe(password)
      expect(warnings).toEqual([
        'x.ini:2: [AUTH] create_password = …: this looks like a placeholder, and is used as it stands.',
      ])
    },
  )
})

it('a setting that has no effect in this relay is named', () => {
  const { warnings } = read(`[STORE_LOG]\ndb_store_log = on\n${TRANSPORT}`)
  expect(warnings).toEqual([
    'x.ini:2: [STORE_LOG] db_store_log has no effect: this relay keeps no log of queues beside PostgreSQL.',
  ])
})

it('many ignored lines are not all listed', () => {
  const lines = Array.from({ length: 30 }, (_, index) => `key${index} = 1`).join('\n')
  const { warnings } = read(`[OTHER]\n${lines}\n${TRANSPORT}`)
  expect(warnings).toHaveLength(11)
  expect(warnings.at(-1)).toBe('x.ini: 20 more lines are ignored.')
})
