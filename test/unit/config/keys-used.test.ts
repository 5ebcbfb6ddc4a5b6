import { join, relative } from 'node:path'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseIni, setIniValue } from '../../../src/config/ini.ts'
import { type KeyRow, keyRows } from '../../../src/config/keys.ts'
import { changedKeys, readSettings, settingsAtReload } from '../../../src/config/read-settings.ts'
import { projectRoot } from '../../project-root.ts'

/*
 * Every key of the INI file has an effect, or `start` says that it has none. First: setting the key changes the settings.
 * Second: every setting is read by code that is neither about parsing nor about showing settings.
 */

const BASE = [
  '[INFORMATION]\nsource_code = https://example.org\nusage_conditions = https://example.org/terms\n',
  'operator = Somebody\nhosting = Someone\nadmin_pgp = https://a.example\nadmin_pgp_fingerprint = AA\n',
  'complaints_pgp = https://a.example\ncomplaints_pgp_fingerprint = AA\n',
  '[STORE_LOG]\nenable = on\nrestore_messages = on\n[TRANSPORT]\nhost = a.example\nport = 5223\n',
  '[NAMES]\nenable = on\nresolver_endpoint = https://names.example.org\n',
  '[INACTIVE_CLIENTS]\ndisconnect = on\n[WEB]\nhttps = 443\ncert = a\nkey = b\n',
  '[PROXY]\nsocks_proxy = 127.0.0.1:9050\n',
].join('')

const RECIPIENT = 'age1efch63udvu64v6hz9m99p6x29admy267ycf7m4qz05vs3xlph3eszqxytv'

const DATABASE = '[STORE_LOG]\nstore_queues = database\nstore_messages = database\n'

/** Keys that only count beside others, with the lines of those. */
const COMPANIONS: Readonly<Record<string, string>> = {
  'STORE_LOG.db_connection': DATABASE,
  'STORE_LOG.db_schema': DATABASE,
  'STORE_LOG.db_pool_size': DATABASE,
  'STORE_LOG.db_deleted_ttl': DATABASE,
  'BACKUP.directory': `[BACKUP]\nrecipient = ${RECIPIENT}\n`,
  'BACKUP.schedule': `[BACKUP]\ndirectory = /mnt/backups\nrecipient = ${RECIPIENT}\n`,
}

/** A value other than the default, for keys that do not take any text. */
const VALUES: Readonly<Record<string, string>> = {
  'INFORMATION.server_country': 'GB',
  'INFORMATION.operator_country': 'GB',
  'INFORMATION.hosting_country': 'GB',
  'INFORMATION.hosting_type': 'owned',
  'STORE_LOG.enable': 'off',
  'STORE_LOG.store_queues': 'database',
  'STORE_LOG.store_messages': 'journal',
  'STORE_LOG.restore_messages': 'off',
  'STORE_LOG.expire_messages_days': '3',
  'STORE_LOG.expire_messages_on_start': 'off',
  'STORE_LOG.expire_messages_on_send': 'off',
  'STORE_LOG.expire_ntfs_hours': '3',
  'AUTH.new_queues': 'off',
  'TRANSPORT.host': 'b.example',
  'TRANSPORT.port': '7000',
  'TRANSPORT.listen_host': '127.0.0.1',
  'TRANSPORT.websockets': '8080',
  'PROXY.host_mode': 'onion',
  'PROXY.own_server_domains': 'example.org',
  'PROXY.socks_proxy': '127.0.0.1:9060',
  'PROXY.socks_mode': 'always',
  'NAMES.enable': 'off',
  'NAMES.resolver_endpoint': 'https://other.example.org',
  'NAMES.resolver_auth': 'bearer token',
  'NAMES.resolver_max_response_bytes': '2000',
  'INACTIVE_CLIENTS.disconnect': 'off',
  'TOR.mode': 'system',
  'TOR.single_hop': 'off',
  'TOR.control_password_file': '/etc/opt/simplex/tor-password',
  'TOR.control_cookie': '/run/tor/control.authcookie',
  'TOR.pow_rate': '300',
  'TOR.target': 'relay.internal:5223',
  'BACKUP.directory': '/mnt/backups',
  'BACKUP.schedule': 'weekly',
  'BACKUP.recipient': RECIPIENT,
  'BACKUP.passphrase_file': '/etc/opt/simplex/backup-passphrase',
}

/** Where values are parsed or shown. What the operator says in [INFORMATION] is there to be shown. */
const SHOWING = ['src/config/', 'src/cli/banner.ts', 'src/web/server-facts.ts', 'src/app/relay-status.ts']

/** Decides while parsing, together with `store.queues`, whether there is a database. */
const JOINT = ['store.messages']

/** Groups that are handed over as one value, to what uses all of it. */
const WHOLE = ['names', 'inactiveClients', 'store.database']

function valueFor({ section, name, definition }: KeyRow): string {
  const usual = definition.default
  const numeric = usual !== undefined && /^\d+$/.test(usual) ? String(Number(usual) + 100) : undefined
  const onOff = usual === 'off' ? 'on' : usual === 'on' ? 'off' : undefined
  return VALUES[`${section}.${name}`] ?? onOff ?? numeric ?? '4711'
}

function withLines(text: string, lines: string): string {
  const rows = parseIni(lines).sections.flatMap(({ name, entries }) => entries.map((entry) => ({ name, ...entry })))
  return rows.reduce((ini, { name, key, value }) => setIniValue(ini, name, key, value), text)
}

describe('every key of the INI file', () => {
  it.each(keyRows().map((row) => [`[${row.section}] ${row.name}`, row] as const))(
    '%s changes the settings, or a warning says that it has no effect',
    (_title, row) => {
      const text = setIniValue(BASE, row.section, row.name, valueFor(row))
      if (row.definition.unused !== undefined) {
        expect(readSettings(text, 'x.ini').warnings).toEqual([
          expect.stringContaining(`[${row.section}] ${row.name} has no effect: `),
        ])
        return
      }
      const companions = COMPANIONS[`${row.section}.${row.name}`] ?? ''
      const pair = row.name === 'store_queues' ? '[STORE_LOG]\nstore_messages = database\n' : companions
      const { settings } = readSettings(withLines(BASE, companions), 'x.ini')
      expect(readSettings(withLines(text, pair), 'x.ini').settings).not.toEqual(settings)
    },
  )
})

describe('a reload takes over', () => {
  it.each(keyRows().map((row) => [`[${row.section}] ${row.name}`, row] as const))(
    '%s, unless it is marked as waiting for a restart',
    (_title, row) => {
      const companions = COMPANIONS[`${row.section}.${row.name}`] ?? ''
      const running = withLines(BASE, companions)
      const changed = setIniValue(running, row.section, row.name, valueFor(row))
      const text =
        row.name === 'store_queues' ? withLines(changed, '[STORE_LOG]\nstore_messages = database\n') : changed
      expect(changedKeys(running, text)).toContainEqual(row)
      const expected = row.definition.restart ? running : text
      expect(settingsAtReload(text, running, 'x.ini')).toEqual(readSettings(expected, 'x.ini').settings)
    },
  )
})

describe('every setting is used outside of parsing and display', () => {
  /** Paths such as `store.persistent` with the places outside that read them. */
  const uses = new Map<string, string[]>()

  beforeAll(() => {
    const config = ts.readConfigFile(join(projectRoot, 'tsconfig.json'), (path) => ts.sys.readFile(path))
    const { fileNames, options } = ts.parseJsonConfigFileContent(config.config, ts.sys, projectRoot)
    const sources = fileNames.filter((name) => name.startsWith(join(projectRoot, 'src')))
    const program = ts.createProgram(sources, options)
    const checker = program.getTypeChecker()
    const declarations = new Map<ts.Node, string>()
    const settings = program.getSourceFile(join(projectRoot, 'src/config/settings.ts'))
    settings?.forEachChild((node) => {
      if (ts.isInterfaceDeclaration(node) && node.name.text === 'Settings') collect(node.members, '')
    })

    function collect(members: ts.NodeArray<ts.TypeElement>, prefix: string): void {
      for (const member of members) {
        if (!ts.isPropertySignature(member) || member.type === undefined) continue
        const path = `${prefix}${member.name.getText()}`
        const types: readonly ts.TypeNode[] = ts.isUnionTypeNode(member.type) ? member.type.types : [member.type]
        const nested = types.find((type): type is ts.TypeLiteralNode => ts.isTypeLiteralNode(type))
        if (nested && !WHOLE.includes(path)) collect(nested.members, `${path}.`)
        else if (path !== 'information' && !JOINT.includes(path)) {
          declarations.set(member, path)
          uses.set(path, [])
        }
      }
    }

    for (const source of program.getSourceFiles()) {
      const file = relative(projectRoot, source.fileName)
      if (!file.startsWith('src/') || SHOWING.some((place) => file.startsWith(place))) continue
      const visit = (node: ts.Node): void => {
        if (ts.isIdentifier(node)) {
          const [declared] = symbolOf(node)?.declarations ?? []
          const path = declared && declarations.get(declared)
          if (path !== undefined) uses.get(path)?.push(file)
        }
        node.forEachChild(visit)
      }
      visit(source)
    }

    /** Of a destructured property, the property itself. */
    function symbolOf(node: ts.Identifier): ts.Symbol | undefined {
      const { parent } = node
      if (ts.isBindingElement(parent) && (parent.propertyName ?? parent.name) === node) {
        return checker.getTypeAtLocation(parent.parent).getProperty(node.text)
      }
      return checker.getSymbolAtLocation(node)
    }
  }, 60_000)

  it('finds the settings', () => expect(uses.size).toBeGreaterThan(50))

  it('finds a use of each', () => {
    expect([...uses].filter(([, files]) => files.length === 0).map(([path]) => path)).toEqual([])
  })
})
