import type { Command } from 'commander'
import { AppError } from '../../errors/app-error.ts'
import type { Paths } from '../../config/paths.ts'
import { askRelay } from '../../app/control-socket/client.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { dashboardOnion, onionSetup } from '../../app/onion-settings.ts'
import type { Context } from '../context.ts'
import { print } from '../output.ts'
import { generateOnionKey } from '../../crypto/onion-key.ts'
import {
  isClientName,
  MAX_CLIENTS,
  newClient,
  readClients,
  readOnionKey,
  saveOnionKey,
  writeClients,
} from '../../tor/index.ts'

/** `tor client add`, `list` and `remove`: who may reach the dashboard at an onion address of its own. */
export function addTorClient(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const client = tor
    .command('client')
    .description('Who may reach the dashboard through Tor, at an onion address of its own')
  client
    .command('add')
    .description('Let NAME reach the dashboard; prints the secret key of NAME, once')
    .argument('<NAME>')
    .action((name: string) => add(name, paths))
  client
    .command('list')
    .description('List who may reach the dashboard')
    .action(() => list(paths))
  client
    .command('remove')
    .description('Do not let NAME reach the dashboard any more')
    .argument('<NAME>')
    .action((name: string) => remove(name, paths))
}

async function add(name: string, paths: Paths): Promise<void> {
  if (!isClientName(name)) {
    const remedy = 'Use up to 32 letters, digits, dots, hyphens and underscores.'
    throw new AppError('CLIENT_NAME', `A client cannot be named ${JSON.stringify(name)}.`, remedy)
  }
  await requireDashboard(paths)
  const clients = await readClients(paths.dashboardClients)
  if (clients.some((client) => client.name === name)) {
    const remedy = `For a new key, remove it first: smp-server tor client remove ${name}`
    throw new AppError('CLIENT_NAME', `There is a client named ${name} already.`, remedy)
  }
  if (clients.length >= MAX_CLIENTS) {
    const message = `There are ${MAX_CLIENTS} clients already, which is the most.`
    throw new AppError('CLIENT_NAME', message, 'Remove one: `smp-server tor client remove NAME`.')
  }
  const present = await readOnionKey(paths.dashboardOnionKey)
  const key = present ?? generateOnionKey()
  if (!present) await saveOnionKey(paths.dashboardOnionKey, key)
  const { client, secretKey } = newClient(name)
  await writeClients(paths.dashboardClients, [...clients, client])
  await follow(paths)
  print(
    `Dashboard: http://${key.hostname}/`,
    `Secret key of ${name}, shown only now: ${secretKey}`,
    'Tor Browser asks for the key when it opens the address. Another tor takes it from a file *.auth_private in its ClientOnionAuthDir:',
    `${key.serviceId}:descriptor:x25519:${secretKey}`,
    'A running relay lets the client in within a minute.',
  )
}

async function list(paths: Paths): Promise<void> {
  const clients = await readClients(paths.dashboardClients)
  const key = clients.length === 0 ? undefined : await readOnionKey(paths.dashboardOnionKey)
  if (!key) {
    print('Nobody can reach the dashboard through Tor. To let somebody in: smp-server tor client add NAME')
    return
  }
  print(`Dashboard: http://${key.hostname}/`, ...clients.map(({ name }) => `  ${name}`))
}

async function remove(name: string, paths: Paths): Promise<void> {
  const clients = await readClients(paths.dashboardClients)
  const left = clients.filter((client) => client.name !== name)
  if (left.length === clients.length) {
    const names = clients.map((client) => client.name).join(', ')
    const message = `There is no client named ${JSON.stringify(name)}.`
    throw new AppError('CLIENT_NAME', message, names === '' ? 'There are none.' : `There are: ${names}.`)
  }
  await writeClients(paths.dashboardClients, left)
  await follow(paths)
  print(`${name} cannot reach the dashboard any more; a running relay closes it within seconds.`)
}

/** @throws AppError `DASHBOARD_ONION` */
async function requireDashboard(paths: Paths): Promise<void> {
  const { settings } = await loadSettings(paths)
  const fault = (message: string, remedy: string): AppError => new AppError('DASHBOARD_ONION', message, remedy)
  if (!settings.web.dashboard || settings.store.metricsPort === undefined) {
    const remedy = 'Set dashboard = on under [WEB] and metrics_port under [STORE_LOG], and restart the relay.'
    throw fault('This relay has no dashboard.', remedy)
  }
  const setup = onionSetup(settings, paths)
  if (setup.mode === undefined) throw fault('This relay has no tor.', 'Run `smp-server tor setup` first.')
  if (dashboardOnion(settings, paths, setup)) return
  const why =
    setup.mode === 'torrc'
      ? 'the relay has no access to its tor'
      : 'a tor elsewhere cannot reach the dashboard, which listens on 127.0.0.1'
  throw fault(`In mode ${setup.mode} ${why}.`, 'Use an SSH tunnel; docs/monitoring.md has the command.')
}

async function follow(paths: Paths): Promise<void> {
  await askRelay(paths.controlSocket, 'POST /tor/reload').catch(() => undefined)
}
