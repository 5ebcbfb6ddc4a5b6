import { isCancel, select } from '@clack/prompts'
import { type Command, Option } from 'commander'
import type { Paths } from '../../config/paths.ts'
import { runCommand } from '../../system/command.ts'
import { detectServiceManager } from '../../system/service-manager.ts'
import type { Context } from '../context.ts'
import { askRelay } from '../../app/control-socket/client.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { onionSetup, torConfig } from '../../app/onion-settings.ts'
import { addOptions } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { isOnTerminal } from '../passphrase.ts'
import { confirm } from '../confirm.ts'
import { findRemoval, lostAddresses, type Removal, removeOnion, type RemoveOptions } from '../../tor/index.ts'

interface TorRemoveOptions {
  readonly keepKey?: true
  readonly deleteKey?: true
  readonly yes?: true
}

export function addTorRemove(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('remove')
    .description('Remove the onion service and revert everything that `tor setup` changed')
    .action((options: TorRemoveOptions) => remove(options, paths))
  addOptions(command, [
    new Option('--keep-key', 'Keep the onion key in another file').conflicts('deleteKey'),
    new Option('--delete-key', 'Delete the onion key: without a backup the address is lost for good'),
    new Option('-y, --yes', 'Do not ask for confirmation'),
  ])
}

async function remove(options: TorRemoveOptions, paths: Paths): Promise<void> {
  const removal = await findRemoval(await removeOptions(paths))
  if (!removal) {
    print('There is no onion service to remove. Nothing was changed.')
    return
  }
  const lost = lostAddresses(removal)
  print(...whatGoes(removal))
  const keepsKey = lost.length === 0 || (await whetherToKeep(options))
  if (lost.length > 0) print(keepsKey ? 'Its key is kept in another file.' : 'Its key is deleted.')
  await confirm('Remove it?', options.yes ?? false, false)
  const { keptAs, left } = await removeOnion(await removeOptions(paths), removal, keepsKey)
  print(
    'The onion service was removed.',
    ...keptAs.map((path) => `Its key is now ${path}. To use it again: smp-server tor setup --import-key ${path}`),
    ...left,
  )
}

async function removeOptions(paths: Paths): Promise<RemoveOptions> {
  const { settings } = await loadSettings(paths)
  return {
    tools: {
      places: { ini: paths.ini, keyFile: paths.onionKey, portsFile: paths.onionPorts },
      run: runCommand,
      services: detectServiceManager(runCommand),
    },
    torDirectory: paths.tor,
    traces: [paths.torSocks],
    tor: torConfig(settings, paths, onionSetup(settings, paths)),
    reload: async () => {
      await askRelay(paths.controlSocket, 'POST /tor/reload').catch(() => undefined)
    },
  }
}

function whatGoes({ keys, isSystem }: Removal): string[] {
  return [
    ...keys.map(({ key: { hostname }, staysIn }) =>
      staysIn
        ? `${hostname} is removed from the address of this relay. tor serves it from ${staysIn.torrc}, with the key in ${staysIn.directory}.`
        : `${hostname} will stop working, and is removed from the address of this relay.`,
    ),
    ...(isSystem ? ['What `tor setup` created or changed outside of the relay is reverted, too.'] : []),
  ]
}

async function whetherToKeep({ keepKey, deleteKey }: TorRemoveOptions): Promise<boolean> {
  if (keepKey || deleteKey) return keepKey ?? false
  if (!isOnTerminal()) {
    throw new Refusal('Nothing was changed. Pass --keep-key to keep the onion key in another file, or --delete-key.')
  }
  const answer = await select({
    message: 'What should happen to the onion key?',
    options: [
      { value: true, label: 'Keep it in another file' },
      { value: false, label: 'Delete it; without a backup the address is lost for good' },
    ],
  })
  if (isCancel(answer)) throw new Refusal('Nothing was changed.')
  return answer
}
