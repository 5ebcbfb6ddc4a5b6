import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { readSettings } from '../../src/config/read-settings.ts'
import { buildProgram, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => (relay = new Installation()))
afterEach(() => relay.remove())

function value(section: string, key: string): string | undefined {
  return iniValue(readFileSync(relay.ini, 'utf8'), section, key)
}

function listing(directory: string): string[] {
  return readdirSync(directory).map((name) => `${(statSync(join(directory, name)).mode & 0o7777).toString(8)} ${name}`)
}

function openssl(...args: string[]): string {
  return spawnSync('openssl', args, { cwd: relay.config, encoding: 'utf8' }).stdout
}

describe('init -y', () => {
  it('does what the hosting guide says about its example', () => {
    const { status, stdout, stderr } = relay.run(['init', '-y', '-l', '--ip', '192.168.1.5', '--password', 'test'])
    const fingerprint = readFileSync(join(relay.config, 'fingerprint'), 'utf8').trim()
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.split('\n').map((line) => line.replace(/^(SMP server v).*/, '$1…'))).toEqual([
      `Server initialized, please provide additional server information in ${relay.ini}.`,
      'Run `smp-server start` to start server.',
      '----------',
      'You should store CA private key securely and delete it from the server.',
      'If server TLS credential is compromised this key can be used to sign a new one, keeping the same server identity and established connections.',
      'CA private key location:',
      join(relay.config, 'ca.key'),
      '----------',
      'SMP server v…',
      `Fingerprint: ${fingerprint}`,
      `Server address: smp://${fingerprint}:test@192.168.1.5`,
      'Warning: server source code is not specified.',
      "Add 'source_code' property to [INFORMATION] section of INI file.",
      '',
    ])
    expect([value('TRANSPORT', 'host'), value('AUTH', 'create_password'), value('STORE_LOG', 'enable')]).toEqual([
      '192.168.1.5',
      'test',
      'on',
    ])
  })

  it('prints the lines that upstream prints', () => {
    const recorded = readFileSync(new URL('../samples/printed/default-init.stdout', import.meta.url), 'utf8')
    const neutral = (text: string, config: string): string =>
      text
        .replaceAll(config, 'CONFIG')
        .replace(/[\w-]{43}=/g, 'SECRET')
        .replace(/^SMP server v\S+ \/ \S*$/m, 'VERSION')
    expect(neutral(relay.run(['init', '-y']).stdout, relay.config)).toBe(neutral(recorded, '/etc/opt/simplex'))
  })

  it('leaves the files with their modes; what holds secrets is for the owner only', () => {
    relay.run(['init', '-y'])
    expect(listing(relay.root)).toEqual(['700 etc', '700 var'])
    expect(listing(relay.config)).toEqual([
      '644 ca.crt',
      '600 ca.key',
      '644 ca.srl',
      '644 fingerprint',
      '644 openssl_ca.conf',
      '644 openssl_server.conf',
      '644 server.crt',
      '644 server.csr',
      '600 server.key',
      '600 smp-server.ini',
    ])
  })

  it('takes the command of the Docker image, and its sed patterns find their lines', () => {
    const docker =
      'init --yes --store-log --daily-stats --source-code --fqdn smp.example.com --own-domains=example.com --no-password'
    expect(relay.run(docker.split(' ')).status).toBe(0)
    const lines = readFileSync(relay.ini, 'utf8').split('\n')
    expect(lines.filter((line) => /^(https = 443|port = 5223,443|cert = .*\/web\.crt)$/.test(line))).toHaveLength(3)
    expect(lines.filter((line) => /^[^#]*https = /.test(line))).toEqual(['https = 443'])
    expect(value('STORE_LOG', 'log_stats')).toBe('on')
    expect(value('PROXY', 'own_server_domains')).toBe('example.com')
    expect(value('AUTH', 'create_password')).toBeUndefined()
  })

  it.each([
    {
      form: 'without the pages',
      edits: ['s/^[^#]*https = /#&/', 's/^[^#]*cert = /#&/', 's/^[^#]*key = /#&/', 's/^port = .*/port = 5223/'],
      ports: [5223],
      https: undefined,
    },
    {
      form: 'with certificates of its own',
      edits: [
        's|cert = CONFIG/web.crt|cert = /certificates/a.crt|',
        's|key = CONFIG/web.key|key = /certificates/a.key|',
      ],
      ports: [5223, 443],
      https: { port: 443, certificate: '/certificates/a.crt', key: '/certificates/a.key' },
    },
  ])('is edited by sed as in the Docker image, $form', ({ edits, ports, https }) => {
    relay.run(['init', '-y', '--fqdn', 'smp.example.com'])
    const expressions = edits.flatMap((edit) => ['-e', edit.replace('CONFIG', relay.config)])
    expect(spawnSync('sed', ['-i', ...expressions, relay.ini]).status).toBe(0)
    const { settings, warnings } = readSettings(readFileSync(relay.ini, 'utf8'), relay.ini)
    expect([settings.transport.ports, settings.web.https, warnings]).toEqual([ports, https, []])
  })

  it('writes no source_code for a bare --source-code while the source code of this program is unknown', () => {
    const { status, stdout } = relay.run(['init', '-y', '--source-code', '--operator', 'X'])
    expect(status).toBe(0)
    expect(stdout).toContain('\nWarning: server source code is not specified.\n')
    expect([value('INFORMATION', 'source_code'), value('INFORMATION', 'operator')]).toEqual([undefined, 'X'])
  })

  it('creates a password of 32 random bytes when none is given', () => {
    relay.run(['init', '-y'])
    expect(value('AUTH', 'create_password')).toMatch(/^[A-Za-z0-9_-]{43}=$/)
  })

  describe('with a password in a file', () => {
    let file: string
    beforeEach(() => (file = join(relay.root, 'password')))

    it('takes its first line, which no list of processes shows', () => {
      writeFileSync(file, 'in.a-file\r\na second line\n', { mode: 0o600 })
      const { status, stdout, stderr } = relay.run(['init', '-y', '-n', 'a.example', '--password-file', file])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toMatch(/^Server address: smp:\/\/[\w-]{43}=:in\.a-file@a\.example$/m)
      expect(value('AUTH', 'create_password')).toBe('in.a-file')
    })

    it('does not ask for it then', () => {
      writeFileSync(file, 'in.a-file', { mode: 0o600 })
      const { status, stdout } = relay.run(['init', '--password-file', file], '\n\n\n\n\n\n')
      expect(status).toBe(0)
      expect(stdout).not.toContain('Require a password')
      expect(value('AUTH', 'create_password')).toBe('in.a-file')
    })

    it('warns when every user can read it, and goes on', () => {
      writeFileSync(file, 'in.a-file\n', { mode: 0o644 })
      const { status, stderr } = relay.run(['init', '-y', '--password-file', file])
      expect([status, stderr]).toEqual([
        0,
        `Warning: Every user of this machine can read the password in ${file}. Run: \`chmod 600 ${file}\`\n`,
      ])
    })

    it.each([
      ['\nsecond', 'The first line of FILE is empty.'],
      ['a@b\n', 'The password in FILE must not contain @, : or /.'],
      ['a b\n', 'The password in FILE must not contain blanks.'],
      ['', 'FILE is empty.'],
      [undefined, 'FILE does not exist.'],
    ])('refuses %j, and makes nothing', (text, sentence) => {
      if (text !== undefined) writeFileSync(file, text, { mode: 0o600 })
      const { status, stdout, stderr } = relay.run(['init', '-y', '--password-file', file])
      expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
      expect(stdout.split('\n')[0]).toBe(`Error: ${sentence.replace('FILE', file)}`)
      expect(stdout).not.toContain('a@b')
      expect(existsSync(relay.config)).toBe(false)
    })
  })

  it('creates two passwords for the control port', () => {
    relay.run(['init', '-y', '--control-port=7000'])
    const passwords = [value('AUTH', 'control_port_admin_password'), value('AUTH', 'control_port_user_password')]
    expect(value('TRANSPORT', 'control_port')).toBe('7000')
    expect(new Set(passwords).size).toBe(2)
    for (const password of passwords) expect(password).toMatch(/^[\w-]{24}$/)
  })

  it('can be bundled, and writes no host for an address of this machine only', () => {
    expect(relay.run(['init', '-ysl', '--disable-web']).stdout).toContain('@<hostnames>\n')
    expect(value('TRANSPORT', 'host')).toBe('<hostnames>')
    expect(value('WEB', 'https')).toBeUndefined()
  })

  it.each(['ED25519', 'ED448'])('makes %s certificates that openssl accepts', (alg) => {
    relay.run(['init', '-y', '-a', alg, '-n', 'smp.example.com'])
    expect(openssl('verify', '-CAfile', 'ca.crt', 'server.crt')).toBe('server.crt: OK\n')
    expect(openssl('x509', '-in', 'server.crt', '-noout', '-subject')).toContain('CN = smp.example.com')
    expect(openssl('x509', '-in', 'ca.crt', '-noout', '-text')).toContain(`Public Key Algorithm: ${alg}`)
  })

  it('keeps files that it did not create', () => {
    mkdirSync(relay.config)
    chmodSync(relay.config, 0o750)
    writeFileSync(join(relay.config, 'web.crt'), 'mine')
    expect(relay.run(['init', '-y']).status).toBe(0)
    expect(readFileSync(join(relay.config, 'web.crt'), 'utf8')).toBe('mine')
    expect(statSync(relay.config).mode & 0o777).toBe(0o750)
  })

  it('refuses where a relay exists, and changes nothing', () => {
    relay.run(['init', '-y'])
    const before = readFileSync(relay.ini, 'utf8')
    expect(relay.run(['init', '-y'])).toEqual({
      status: 1,
      stdout: `Error: server is already initialized (${relay.ini} exists).\nRun \`smp-server start\`.\n`,
      stderr: '',
    })
    expect(readFileSync(relay.ini, 'utf8')).toBe(before)
  })

  it('refuses where an identity exists without its INI file', () => {
    mkdirSync(relay.config)
    writeFileSync(join(relay.config, 'ca.key'), 'an identity')
    const { status, stdout } = relay.run(['init', '-y'])
    expect(status).toBe(1)
    expect(stdout).toContain(join(relay.config, 'ca.key'))
    expect(readdirSync(relay.config)).toEqual(['ca.key'])
  })

  it.each([
    [['--operator', 'X'], 'Error: passing any server information requires passing --source-code\n'],
    [['--operator-country', 'GB'], 'Error: passing --operator-country requires passing --operator\n'],
    [['--hosting-country', 'GB'], 'Error: passing --hosting-country requires passing --hosting\n'],
  ])('%j needs more than that', (args, stdout) => {
    expect(relay.run(['init', '-y', ...args])).toEqual({ status: 1, stdout, stderr: '' })
    expect(existsSync(relay.config)).toBe(false)
  })

  it('says what is wrong with a name that does not fit into a certificate', () => {
    const { status, stdout } = relay.run(['init', '-y', '-n', `${'x'.repeat(40)}.${'x'.repeat(40)}`])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: "x+\.x+" cannot be the name in a certificate/)
  })
})

describe('init with questions', () => {
  it('asks what upstream asks, and uses the defaults', () => {
    const { status, stdout } = relay.run(['init'], '\n\n\nn\n\n\n\n')
    expect(status).toBe(0)
    const dialogue = stdout.slice(0, stdout.indexOf('Server initialized'))
    expect(dialogue).toBe(
      'Use `smp-server init -h` for available options.\n' +
        'SMP server will be initialized (press Enter)' +
        'Enable store log to restore queues and messages on server restart (Yn): ' +
        'Enable logging daily statistics (yN): ' +
        'Require a password to create new messaging queues?\n' +
        "'r' for random (default), 'n' - no password (recommended for public servers), or enter password: " +
        'Enter server FQDN or IP address for certificate (127.0.0.1): ' +
        'Enter server source code URI (none): ' +
        `Enter path to store generated server pages to show connection links (${join(relay.state, 'www')}): `,
    )
    expect([value('STORE_LOG', 'enable'), value('STORE_LOG', 'log_stats'), value('AUTH', 'create_password')]).toEqual([
      'on',
      'off',
      undefined,
    ])
    expect(value('INFORMATION', 'source_code')).toBeUndefined()
  })

  it('asks again until it understands', () => {
    const answers = [
      '',
      'maybe',
      'N',
      'y',
      'a@b',
      'good',
      'smp.example.com',
      'ftp://x',
      'https://x.example',
      '/srv/www',
    ]
    const { status, stdout } = relay.run(['init'], `${answers.join('\n')}\n`)
    expect(status).toBe(0)
    expect(stdout).toContain("Invalid input, please enter 'y' or 'n'\n")
    expect(stdout).toContain(
      "Invalid password. Only latin letters, digits and symbols other than '@' and ':' are allowed\n",
    )
    expect(stdout).toContain('Invalid source code. URI should start from http:// or https://\n')
    expect([value('STORE_LOG', 'enable'), value('STORE_LOG', 'log_stats'), value('AUTH', 'create_password')]).toEqual([
      'off',
      'on',
      'good',
    ])
    expect([value('TRANSPORT', 'host'), value('INFORMATION', 'source_code'), value('WEB', 'static_path')]).toEqual([
      'smp.example.com',
      'https://x.example',
      '/srv/www',
    ])
    expect(openssl('x509', '-in', 'server.crt', '-noout', '-subject')).toContain('CN = smp.example.com')
  })

  it('reads its answers from a file too', () => {
    const answers = join(relay.root, 'answers')
    writeFileSync(answers, '\n\n\ngood\nsmp.example.com\n\n\n')
    expect(relay.runWithFile(['init'], answers)).toMatchObject({ status: 0, stderr: '' })
    expect([value('AUTH', 'create_password'), value('TRANSPORT', 'host')]).toEqual(['good', 'smp.example.com'])
  })

  it('ends without a trace when the input ends, from a pipe and from /dev/null', () => {
    const args = ['init', '-l', '--disable-web', '--ip', '1.2.3.4']
    for (const { status, stdout, stderr } of [relay.run(args), relay.runWithFile(args, '/dev/null')]) {
      expect([status, stderr]).toEqual([1, ''])
      expect(stdout).toContain('Error: The input ended')
    }
    expect(existsSync(relay.config)).toBe(false)
  })
})

describe('cert', () => {
  it('creates a new certificate under the same identity', () => {
    relay.run(['init', '-y', '-n', 'smp.example.com'])
    const facts = (): string[] =>
      ['-fingerprint', '-subject', '-serial'].map((what) => openssl('x509', '-in', 'server.crt', '-noout', what))
    const [print, subject, serial] = facts()
    const identity = readFileSync(join(relay.config, 'fingerprint'), 'utf8')
    const { status, stdout } = relay.run(['cert'])
    expect([status, stdout.split('\n')[0]]).toEqual([0, 'Generated new server credentials'])
    const [newPrint, newSubject, newSerial] = facts()
    expect(newSubject).toBe(subject)
    expect(newPrint).not.toBe(print)
    expect(BigInt(`0x${newSerial?.split('=')[1] ?? ''}`)).toBe(BigInt(`0x${serial?.split('=')[1] ?? ''}`) + 1n)
    expect(readFileSync(join(relay.config, 'fingerprint'), 'utf8')).toBe(identity)
    expect(openssl('verify', '-CAfile', 'ca.crt', 'server.crt')).toBe('server.crt: OK\n')
    expect(openssl('x509', '-in', 'server.crt', '-noout', '-pubkey')).toBe(
      openssl('pkey', '-in', 'server.key', '-pubout'),
    )
  })

  it('changes the name and the key type', () => {
    relay.run(['init', '-y'])
    relay.run(['cert', '-a', 'ED448', '--cn', 'new.example.com'])
    const text = openssl('x509', '-in', 'server.crt', '-noout', '-text')
    expect(text).toContain('Subject: CN = new.example.com')
    expect(text).toContain('Public Key Algorithm: ED448')
    expect(text).toContain('Signature Algorithm: ED25519')
  })

  it('changes nothing without the key of the certificate authority', () => {
    relay.run(['init', '-y'])
    spawnSync('mv', [join(relay.config, 'ca.key'), relay.root])
    const before = readFileSync(join(relay.config, 'server.key'), 'utf8')
    const { status, stdout } = relay.run(['cert'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: .*ca\.key is missing/)
    expect(readFileSync(join(relay.config, 'server.key'), 'utf8')).toBe(before)
  })
})

describe('delete', () => {
  it('needs a capital Y', () => {
    relay.run(['init', '-y'])
    for (const answer of ['n', 'y', '']) {
      const { status, stdout } = relay.run(['delete'], `${answer}\n`)
      expect([status, stdout.split('\n').at(-2)]).toEqual([1, 'Continue (Y/n): Server NOT deleted'])
    }
    expect(existsSync(relay.ini)).toBe(true)
  })

  it('removes configuration and state', () => {
    relay.run(['init', '-y'])
    const { status, stdout } = relay.run(['delete'], 'Y\n')
    expect([status, stdout.split('\n').slice(0, 3)]).toEqual([
      0,
      [
        'WARNING: deleting the server will make all queues inaccessible, because the server identity (certificate fingerprint) will change.',
        'THIS CANNOT BE UNDONE!',
        'Continue (Y/n): Deleted configuration and log files',
      ],
    ])
    expect(readdirSync(relay.root)).toEqual([])
  })
})

describe('address', () => {
  it('is the one of the banner, and its parts as JSON', () => {
    relay.run(['init', '-y', '-n', 'a.example', '--password', 'x'])
    const fingerprint = readFileSync(join(relay.config, 'fingerprint'), 'utf8').trim()
    const address = `smp://${fingerprint}:x@a.example`
    expect(relay.run(['address']).stdout).toBe(`${address}\n`)
    expect(JSON.parse(relay.run(['address', '--json']).stdout)).toEqual({
      address,
      fingerprint,
      password: 'x',
      hosts: ['a.example'],
      port: null,
    })
    const qr = relay.run(['address', '--qr']).stdout.split('\n')
    expect(qr[0]).toBe(address)
    expect(qr[1]).toMatch(/^█{30,}$/)
  })

  it('fails without a relay', () => {
    expect(relay.run(['address'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('not initialized') as unknown,
    })
  })
})

describe('the command line', () => {
  it('shows its help on stderr when there is no command, and fails', () => {
    const { status, stdout, stderr } = relay.run([])
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^ {2}init /m)
    expect(relay.run(['-h'])).toEqual({ status: 0, stdout: stderr, stderr: '' })
  })

  it('shows its version in the known form', () => {
    const { stdout } = relay.run(['-v'])
    expect(stdout).toMatch(/^SMP server v\d+\.\d+\.\d+(-rc\.\d+)? \/ [0-9a-f]{0,7}\n$/)
    expect(relay.run(['--version', '+RTS', '-N', '-RTS']).stdout).toBe(stdout)
  })

  it.each([
    [['--foo'], "Invalid option `--foo'", 'Usage: smp-server [-v|--version] COMMAND'],
    [['init', '--foo'], "Invalid option `--foo'", 'Usage: smp-server init '],
    [['foo'], "Invalid argument `foo'", 'Usage: smp-server [-v|--version] COMMAND'],
    [['init', '-y', 'foo'], "Invalid argument `foo'", 'Usage: smp-server init '],
    [['init', '--yes', '--yes'], "Invalid option `--yes'", 'Usage: smp-server init '],
    [['init', '--no-password', '--password', 'x'], "Invalid option `--password'", 'Usage: smp-server init '],
    [
      ['init', '--password', 'x', '--password-file', 'x'],
      "option '--password-file <FILE>' cannot be used with option '--password <PASSWORD>'",
      'Usage: smp-server init ',
    ],
    [
      ['init', '--no-password', '--password-file', 'x'],
      "option '--password-file <FILE>' cannot be used with option '--no-password'",
      'Usage: smp-server init ',
    ],
    [['init', '--disable-web', '1234'], "Invalid argument `1234'", 'Usage: smp-server init '],
    [['backup'], 'The argument FILE is missing.', 'Usage: smp-server backup FILE '],
    [['tor', 'key', 'backwards'], "Invalid argument `backwards'", 'Usage: smp-server tor key COMMAND'],
    [['init', '--password'], 'The option `--password` expects an argument.', 'Usage: smp-server init '],
    [['init', '-a', 'RSA'], "option -a: cannot parse value `RSA'", 'Usage: smp-server init '],
    [
      ['init', '--server-country', 'USA'],
      'option --server-country: Use ISO3166 2-letter code for server',
      'Usage: smp-server init ',
    ],
    [['start', '--log-level', 'loud'], 'option --log-level: Invalid log level', 'Usage: smp-server start '],
  ])('%j is refused on stderr with the usage', (args, sentence, usage) => {
    const { status, stdout, stderr } = relay.run(args)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr.startsWith(`${sentence}\n\n${usage}`)).toBe(true)
  })

  it('suggests the option that was meant', () => {
    expect(relay.run(['init', '--yess']).stderr).toContain(
      "Invalid option `--yess'\n\nDid you mean this?\n    --yes\n\nUsage: ",
    )
  })

  it('does not guess at abbreviations', () => {
    expect(relay.run(['start', '--maint']).stderr).toMatch(/^Invalid option `--maint'/)
  })

  it.each([
    [['journal', 'import'], 'Error: this relay has no journal storage.'],
    [
      ['database', 'export', '--table', 'queues'],
      'Error: --table queues: this relay moves queues and messages together.',
    ],
  ])('%j says that there is no such storage', (args, sentence) => {
    relay.run(['init', '-y'])
    const { status, stdout } = relay.run(args)
    expect([status, stdout.split('\n')[0]]).toEqual([1, sentence])
  })
})
