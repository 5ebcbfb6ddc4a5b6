import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Paths } from '../../config/paths.ts'
import { addressParts, addressText } from '../../app/address.ts'
import type { Context } from '../context.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { relayLink } from '../../app/relay-link.ts'
import { onionSetup, torConfig } from '../../app/onion-settings.ts'
import { addOptions } from '../options.ts'
import { print } from '../output.ts'
import { confirm } from '../confirm.ts'
import { type ShownProgress, shownProgress } from './progress.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import {
  abortRotation,
  beginRotation,
  connectRunningTor,
  defaultTimeouts,
  finishRotation,
  publicationProgress,
  PublicationWatch,
  removeService,
  type RotationFiles,
  rotationInProgress,
  type TorControl,
} from '../../tor/index.ts'

interface TorRotateOptions {
  readonly finish?: true
  readonly abort?: true
  readonly yes?: true
}

export function addTorRotate(tor: Command, { paths }: Pick<Context, 'paths'>): void {
  const command = tor
    .command('rotate')
    .description('Replace the onion address: publish a new one beside it, and drop the old one later')
    .action(async ({ yes = false, ...options }: Omit<TorRotateOptions, 'yes'> & { yes?: boolean }) => {
      const files = { ini: paths.ini, keyFile: paths.onionKey }
      await loadSettings(paths)
      if (options.finish) await finish(files, yes, paths)
      else if (options.abort) await abort(files, paths)
      else await begin(files, yes, paths)
    })
  addOptions(command, [
    new Option('--finish', 'Drop the old address'),
    new Option('--abort', 'Drop the new address'),
    new Option('-y, --yes', 'Do not ask for confirmation'),
  ])
}

async function begin(files: RotationFiles, yes: boolean, paths: Paths): Promise<void> {
  await confirm('Add a new onion address to the address of this relay?', yes)
  const { present, next, wasBegun } = await beginRotation(files)
  print(wasBegun ? `The new onion address ${next.hostname} is already there.` : `New onion address: ${next.hostname}`)
  await withRunningTor(paths, async (control) => await waitForPublication(control, next))
  print(
    `Server address: ${await address(paths)}`,
    `Both onion addresses work. Give the new server address to your users, then drop ${present.hostname}: \`smp-server tor rotate --finish\` (to drop the new one instead: --abort).`,
  )
}

async function finish(files: RotationFiles, yes: boolean, paths: Paths): Promise<void> {
  const { present } = await rotationInProgress(files.keyFile)
  print(
    `${present.hostname} will stop working: anyone who knows only this address loses the relay.`,
    'Its key is deleted, so it can never be used again.',
  )
  await confirm('Drop the old address?', yes, false)
  const { next } = await finishRotation(files)
  await withRunningTor(paths, async (control) => await removeService(control, present))
  print(
    `${next.hostname} is now the only onion address.`,
    `Server address: ${await address(paths)}`,
    'Back up its key: smp-server tor key backup FILE',
  )
}

async function abort(files: RotationFiles, paths: Paths): Promise<void> {
  const { present, next } = await abortRotation(files)
  await withRunningTor(paths, async (control) => await removeService(control, next))
  print(`${present.hostname} stays the only onion address.`, `Server address: ${await address(paths)}`)
}

/** The files decide; a tor that cannot be reached now follows them when the relay starts. */
async function withRunningTor(paths: Paths, work: (control: TorControl) => Promise<void>): Promise<void> {
  // The relay follows at once; without this it looks within 15 s.
  await relayLink(paths)
    .then((relay) => relay?.reload())
    .catch(() => undefined)
  const { settings } = await loadSettings(paths)
  const config = torConfig(settings, paths, onionSetup(settings, paths))
  const control = config && (await connectRunningTor(config).catch(() => undefined))
  if (!control) return
  try {
    await work(control)
  } finally {
    control.close()
  }
}

/** A bit longer than the relay takes to look at its keys. */
const SERVED_WITHIN_MS = 20_000

async function waitForPublication(control: TorControl, key: OnionKey): Promise<void> {
  const progress = shownProgress()
  const watch = await PublicationWatch.open(control)
  progress.begin('Waiting for the relay to add the new address')
  if (!(await isServed(control, key))) {
    progress.left('The relay is not running; it publishes the new address when it starts')
    return
  }
  progress.done('The relay has added the new address')
  await showPublication(control, watch, key, progress)
}

async function isServed(control: TorControl, key: OnionKey): Promise<boolean> {
  const deadline = performance.now() + SERVED_WITHIN_MS
  while (performance.now() < deadline) {
    if ((await control.onions()).includes(key.serviceId)) return true
    await sleep(200)
  }
  return false
}

async function showPublication(
  control: TorControl,
  watch: PublicationWatch,
  key: OnionKey,
  progress: ShownProgress,
): Promise<void> {
  const isOff = (await control.getConf('DisableNetwork')).get('disablenetwork')?.[0] === '1'
  if (isOff) return
  progress.begin('Connecting to the Tor network')
  const outcome = await watch.published({ key, wasThere: true }, defaultTimeouts, publicationProgress(progress))
  if (outcome.published) progress.done('The new address is published')
  else progress.left(`Not published yet: ${outcome.why}`)
}

async function address(paths: Paths): Promise<string> {
  const { settings } = await loadSettings(paths)
  return addressText(addressParts(settings, await readFingerprint(paths)))
}
