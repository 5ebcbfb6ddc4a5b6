import { randomBytes } from 'node:crypto'
import { randomPassword } from '../new-password.ts'
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { AppError } from '../../errors/app-error.ts'
import type { Paths } from '../../config/paths.ts'
import { createLogger } from '../../config/log.ts'
import { generateIni } from '../../config/template.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { checkDirectories } from '../../app/access.ts'
import { addressText } from '../../app/address.ts'
import type { Context } from '../context.ts'
import { makePrivateDirectory } from '../../system/private-directory.ts'
import { createIdentity, identityPaths } from '../../app/identity.ts'
import { defaultIp, initOptions, type InitOptions, knownSourceCode } from './options.ts'
import { askQuestions } from './questions.ts'
import { addOptions } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print, printKnown, warn } from '../output.ts'
import { readPasswordFile } from '../password-file.ts'
import { isOnTerminal } from '../passphrase.ts'
import { withPrompt } from '../prompt.ts'
import { endGuide, onionMissing, setUpOnion } from './guide-end.ts'
import { caKeyReminder, identityLines, sourceCodeLines } from '../summary-lines.ts'

export function addInit(program: Command, context: Context): void {
  const { paths } = context
  const command = program
    .command('init')
    .description(`Create a relay: its identity, and its configuration in ${paths.configDir} and ${paths.stateDir}`)
    .action((options: InitOptions) =>
      init({ ...options, usesDatabase: command.getOptionValueSource('database') === 'cli' }, context),
    )
  addOptions(command, initOptions(context.sourceCode))
  // Commander takes --no-password for the opposite of a flag that is on by default.
  command.setOptionValue('password', undefined)
}

async function init(given: InitOptions, context: Context): Promise<void> {
  const { paths, version } = context
  refuseInitialized(paths)
  const isGuided = given.yes !== true && given.upstreamPrompts !== true && isOnTerminal() && process.env.TERM !== 'dumb'
  if (!given.yes && !isGuided) print('Use `smp-server init -h` for available options.')
  refuseIncompleteInformation(given)
  const flags = await withPasswordOfFile(given)
  const options = flags.yes ? flags : await ask(flags, isGuided, context)
  const host = options.fqdn ?? (options.ip === defaultIp ? undefined : options.ip)
  const createPassword = options.password === false ? undefined : (options.password ?? randomPassword())

  checkDirectories(paths)
  await makePrivateDirectory(paths.configDir)
  await makePrivateDirectory(paths.stateDir)
  const alg = options.signAlgorithm === 'ED448' ? 'ed448' : 'ed25519'
  const commonName = (options.fqdn ?? options.ip).split(',')[0] ?? ''
  const fingerprint = await createIdentity(paths, alg, commonName)
  // The INI comes last: a relay is initialized once it is there.
  await writeDurably(paths.ini, iniText(options, paths, host, createPassword), { mode: 0o600, ifExists: 'fail' })

  const created = options.usesDatabase === true ? await createSchema(options, fingerprint) : []
  const address = { fingerprint, password: createPassword, hosts: host?.split(',') ?? [], port: undefined }
  const onion = options.onion === true ? { torrcExtra: options.torrcExtra } : undefined
  if (isGuided) {
    if (created.length > 0) printKnown(...created)
    await endGuide({ paths, address, ports: INIT_PORTS, onion })
    return
  }

  printKnown(
    `Server initialized, please provide additional server information in ${paths.ini}.`,
    'Run `smp-server start` to start server.',
    ...caKeyReminder(paths),
    ...identityLines(version, fingerprint, addressText(address)),
    ...sourceCodeLines(knownSourceCode(options)),
    ...created,
  )
  if (onion !== undefined && !setUpOnion(onion.torrcExtra)) throw onionMissing()
}

/** Those that `init` writes. */
const INIT_PORTS = [5223, 443]

async function ask(flags: InitOptions, isGuided: boolean, context: Context): Promise<InitOptions> {
  if (!isGuided) return await withPrompt((prompt) => askQuestions(prompt, flags, context))
  const { askGuided } = await import('./guide.ts')
  return await askGuided(flags, context)
}

/** Creates the tables in PostgreSQL; when that cannot be done, says why, and what to run. */
async function createSchema({ database, schema, poolSize }: InitOptions, fingerprint: string): Promise<string[]> {
  const { openDatabase } = await import('../../store/open-database.ts')
  const settings = { connection: database, schema, poolSize }
  const log = createLogger({ level: 'error' })
  try {
    const store = await openDatabase({ settings, fingerprint, migrate: 'up', onRollback: () => undefined, log })
    await store.close()
    return [`PostgreSQL: the schema ${schema} is ready.`]
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { user, name } = await databaseNames(database)
    return [
      `PostgreSQL is not ready: ${error.message}`,
      'As its administrator, create what is missing (on Debian with `sudo -u postgres` in front):',
      `  createuser ${user}`,
      `  createdb --owner ${user} --encoding UTF8 ${name}`,
      'Then start the relay with `smp-server start --confirm-migrations up`, which creates the tables.',
    ]
  }
}

async function databaseNames(connection: string): Promise<{ user: string; name: string }> {
  const { databaseAddress } = await import('../../store/postgres.ts')
  try {
    const { user, database } = databaseAddress(connection)
    return { user, name: database }
  } catch {
    return { user: 'smp', name: 'smp_server_store' }
  }
}

async function withPasswordOfFile(flags: InitOptions): Promise<InitOptions> {
  if (flags.passwordFile === undefined) return flags
  const { password, warning } = await readPasswordFile(flags.passwordFile)
  if (warning !== undefined) warn(warning)
  return { ...flags, password }
}

function iniText(
  options: InitOptions,
  paths: Paths,
  host: string | undefined,
  createPassword: string | undefined,
): string {
  const controlPassword = (): string => randomBytes(18).toString('base64url')
  return generateIni({
    paths: {
      ...paths,
      webCertificate: options.webCert ?? paths.webCertificate,
      webKey: options.webKey ?? paths.webKey,
    },
    storeLog: !options.disableStoreLog,
    dailyStats: options.dailyStats ?? false,
    host,
    createPassword,
    hidePassword: options.hidePassword === true,
    controlPort:
      options.controlPort === undefined
        ? undefined
        : { port: options.controlPort, admin: controlPassword(), user: controlPassword() },
    socksProxy: options.socksProxy,
    ownDomains: options.ownDomains?.split(/[\s,]+/),
    database: {
      connection: options.database,
      schema: options.schema,
      poolSize: options.poolSize,
      isUsed: options.usesDatabase === true,
    },
    sourceCode: knownSourceCode(options),
    serverCountry: options.serverCountry,
    operator: options.operator,
    operatorCountry: options.operatorCountry,
    website: options.operatorWebsite,
    hosting: options.hosting,
    hostingCountry: options.hostingCountry,
    hostingType: options.hostingType,
    staticPath: options.webPath,
    web: !options.disableWeb,
  })
}

function refuseInitialized(paths: Paths): void {
  if (existsSync(paths.ini)) {
    throw new Refusal(`Error: server is already initialized (${paths.ini} exists).`, 'Run `smp-server start`.')
  }
  const present = identityPaths(paths).filter((path) => existsSync(path))
  if (present.length > 0) {
    throw new AppError(
      'INIT_FILES',
      `${paths.ini} is missing, but ${present.join(', ')} ${present.length > 1 ? 'exist' : 'exists'}: this may be the identity of a relay. Nothing was changed.`,
      'Restore the INI file, or move these files away and run `smp-server init` again.',
    )
  }
}

function refuseIncompleteInformation(flags: InitOptions): void {
  const needs = (option: string, needed: string): Refusal =>
    new Refusal(`Error: passing ${option} requires passing ${needed}`)
  const { operator, operatorWebsite, hosting, hostingType, serverCountry } = flags
  const information = [operator, operatorWebsite, hosting, hostingType, serverCountry].some(
    (value) => value !== undefined,
  )
  if (information && flags.sourceCode === undefined) throw needs('any server information', '--source-code')
  if (flags.operatorCountry !== undefined && operator === undefined) throw needs('--operator-country', '--operator')
  if (flags.hostingCountry !== undefined && hosting === undefined) throw needs('--hosting-country', '--hosting')
}
