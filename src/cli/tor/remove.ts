import { confirm, isCancel } from '@clack/prompts'
import { type Command, Option } from 'commander'
import type { Paths } from '../../config/paths.ts'
import { runCommand } from '../../system/command.ts'
import { detectServiceManager } from '../../system/service-manager.ts'
import type { Context } from '../context.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { torForm } from '../../app/onion.ts'
import { addOptions } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { findRemoval, type Removal, removeOnion, type RemoveOptions } from '../../tor/index.ts'

interface TorRemoveOptions {
  readonly keepKey?: true
  readonly yes?: true
}

export function addTorRemove(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('remove')
    .description('Take the onion service away again, with everything that `tor setup` has changed')
    .action((options: TorRemoveOptions) => remove(options, paths))
  addOptions(command, [
    new Option('--keep-key', 'Put the onion key aside instead of deleting it'),
    new Option('-y, --yes', 'Ask nothing'),
  ])
}

async function remove({ keepKey: keeps, yes }: TorRemoveOptions, paths: Paths): Promise<void> {
  const keepKey = keeps ?? false
  const options = await removeOptions(paths)
  const removal = await findRemoval(options)
  if (!removal) {
    print('There is no onion service to remove, nothing was changed.')
    return
  }
  print(...whatGoes(removal, keepKey))
  if (!yes) await agree()
  const { keptAs, relayRuns, left } = await removeOnion(options, removal, keepKey)
  print(
    'The onion service is removed.',
    ...keptAs.map((path) => `Its key is in ${path}; \`smp-server tor key import\` takes it from there.`),
    ...left,
    ...(relayRuns ? ['Restart the server: it still looks after the onion service.'] : []),
  )
}

async function removeOptions(paths: Paths): Promise<RemoveOptions> {
  const { settings } = await loadSettings(paths)
  return {
    ini: paths.ini,
    keyFile: paths.onionKey,
    portsFile: paths.onionPorts,
    torDirectory: paths.tor,
    traces: [paths.torSocks],
    form: torForm(settings, paths),
    run: runCommand,
    services: detectServiceManager(runCommand),
  }
}

function whatGoes({ hostnames, isSystem }: Removal, keepKey: boolean): string[] {
  return [
    ...hostnames.map((hostname) => `${hostname} will not be reached any more, and goes out of the address.`),
    ...(isSystem ? ['The tor instance of the system goes as far as `tor setup` has made it.'] : []),
    ...(hostnames.length > 0 && !keepKey
      ? ['Its key is deleted. Without a backup (`smp-server tor key backup`) the name can never be used again.']
      : []),
  ]
}

async function agree(): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new Refusal('Nothing was changed, because nobody can be asked: give -y to agree.')
  }
  const answer = await confirm({ message: 'Remove it?', initialValue: false })
  if (isCancel(answer) || !answer) throw new Refusal('Nothing was changed.')
}
