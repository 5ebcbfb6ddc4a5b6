import { type IniKey, iniKeys, type KeyName, type SectionName, sectionNames } from './keys.ts'
import type { Paths } from './paths.ts'
import { HOST_PLACEHOLDER } from './key-values.ts'

/** The options of `init`; everything else is written as the table of keys says. */
export interface TemplateOptions {
  readonly paths: Paths
  readonly storeLog: boolean
  readonly dailyStats: boolean
  readonly host?: string | undefined
  readonly port?: string | undefined
  readonly createPassword?: string | undefined
  readonly hidePassword?: boolean
  readonly controlPort?: { readonly port: number; readonly admin: string; readonly user: string } | undefined
  readonly socksProxy?: string | undefined
  readonly ownDomains?: readonly string[] | undefined
  readonly database?:
    | {
        readonly connection: string
        readonly schema: string
        readonly poolSize: number
        /** Queues and messages are in it. */
        readonly isUsed?: boolean
      }
    | undefined
  readonly sourceCode?: string | undefined
  readonly serverCountry?: string | undefined
  readonly operator?: string | undefined
  readonly operatorCountry?: string | undefined
  readonly website?: string | undefined
  readonly hosting?: string | undefined
  readonly hostingCountry?: string | undefined
  readonly hostingType?: string | undefined
  readonly staticPath?: string | undefined
  /** `false` comments out https, cert and key. */
  readonly web: boolean
}

/** A value becomes an active line, `{ sample }` a commented one; other keys follow the table. */
type Line = string | { readonly sample: string } | undefined
type Lines = { readonly [S in SectionName]?: Readonly<Partial<Record<KeyName<S>, Line>>> }

const lineWidth = 110

/** The text of a new INI file. */
export function generateIni(options: TemplateOptions): string {
  const lines = chosenLines(options)
  return sectionNames()
    .map((section) => sectionText(section, lines[section] ?? {}))
    .join('\n')
}

function chosenLines(options: TemplateOptions): Lines {
  const { paths, database, controlPort } = options
  const onOff = (value: boolean): string => (value ? 'on' : 'off')
  const changed = (value: string | undefined, usual: string | undefined): Line => (value === usual ? undefined : value)
  const https = (value: string): Line => (options.web ? value : { sample: value })
  return {
    INFORMATION: {
      source_code: options.sourceCode,
      server_country: options.serverCountry,
      operator: options.operator,
      operator_country: options.operatorCountry,
      website: options.website,
      hosting: options.hosting,
      hosting_country: options.hostingCountry,
      hosting_type: options.hostingType,
    },
    STORE_LOG: {
      enable: onOff(options.storeLog),
      restore_messages: onOff(options.storeLog),
      store_queues: database?.isUsed === true ? 'database' : undefined,
      store_messages: database?.isUsed === true ? 'database' : undefined,
      db_connection: changed(database?.connection, iniKeys.STORE_LOG.db_connection.default),
      db_schema: changed(database?.schema, iniKeys.STORE_LOG.db_schema.default),
      db_pool_size: changed(database && String(database.poolSize), iniKeys.STORE_LOG.db_pool_size.default),
      log_stats: onOff(options.dailyStats),
    },
    AUTH: {
      create_password: options.createPassword,
      hide_password: options.hidePassword ? 'on' : undefined,
      control_port_admin_password: controlPort?.admin,
      control_port_user_password: controlPort?.user,
    },
    TRANSPORT: {
      host: options.host ?? HOST_PLACEHOLDER,
      port: options.port,
      control_port: controlPort && String(controlPort.port),
    },
    PROXY: { socks_proxy: options.socksProxy, own_server_domains: options.ownDomains?.join(' ') },
    WEB: {
      static_path: options.staticPath ?? paths.site,
      https: https('443'),
      cert: https(paths.webCertificate),
      key: https(paths.webKey),
    },
  }
}

function sectionText(section: SectionName, chosen: Readonly<Record<string, Line>>): string {
  const keys = Object.entries<IniKey<unknown>>(iniKeys[section])
  const body = keys.flatMap(([name, definition], index) => {
    const comment = definition.doc === undefined ? [] : fill(definition.doc, lineWidth - 2).map((line) => `# ${line}`)
    const gap = comment.length > 0 && index > 0 ? [''] : []
    return [...gap, ...comment, ...keyLines(name, definition, chosen[name])]
  })
  return [`[${section}]`, ...body, ''].join('\n')
}

function keyLines(name: string, definition: IniKey<unknown>, line: Line): string[] {
  const separator = definition.separator ?? ' = '
  if (typeof line === 'string') return [`${name}${separator}${line}`]
  if (line === undefined && definition.value !== undefined) return [`${name}${separator}${definition.value}`]
  const samples = line ? [line.sample] : (definition.samples ?? [])
  return samples.map((sample) => {
    if (sample === '') return `# ${name}${separator.trimEnd()}`
    return `# ${name}${separator}${sample.trim()}`
  })
}

/** Breaks a text at blanks into lines of at most `width` characters. */
function fill(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
