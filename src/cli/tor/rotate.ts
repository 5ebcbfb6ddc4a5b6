import { setTimeout as sleep } from 'node:timers/promises'
import { confirm, isCancel } from '@clack/prompts'
import { type Command, Option } from 'commander'
import type { Paths } from '../../config/paths.ts'
import { addressParts, addressText } from '../../app/address.ts'
import type { Context } from '../context.ts'
import { readFingerprint } from '../../app/identity.ts'
import { loadSettings } from '../../app/load-settings.ts'
import { torForm } from '../../app/onion.ts'
import { addOptions } from '../options.ts'
import { Refusal } from '../../errors/refusal.ts'
import { print } from '../output.ts'
import { lineProgress, type ShownProgress, terminalProgress } from './progress.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import {
  abortRotation,
  beginRotation,
  connectRunningTor,
  defaultTimeouts,
  finishRotation,
  publicationSteps,
  PublicationWatch,
  type RotationFiles,
  rotationUnderWay,
  takeAway,
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
    .description('Put a new onion name beside the old one, and later in its place')
    .action(async (options: TorRotateOptions) => {
      const files = { ini: paths.ini, keyFile: paths.onionKey }
      await loadSettings(paths)
      if (options.finish) await finish(files, options.yes ?? false, paths)
      else if (options.abort) await abort(files, paths)
      else await begin(files, paths)
    })
  addOptions(command, [
    new Option('--finish', 'Give the old name up'),
    new Option('--abort', 'Give the new name up'),
    new Option('-y, --yes', 'Ask nothing'),
  ])
}

async function begin(files: RotationFiles, paths: Paths): Promise<void> {
  const { present, next, wasBegun } = await beginRotation(files)
  print(wasBegun ? `${next.hostname} is there already.` : `${next.hostname} is new.`)
  await withRunningTor(paths, async (control) => await waitForPublication(control, next))
  print(
    `Server address: ${await address(paths)}`,
    'A server that runs publishes both names. Give the new address to your users; when they have it,',
    `\`smp-server tor rotate --finish\` gives ${present.hostname} up, and \`--abort\` the new name.`,
  )
}

async function finish(files: RotationFiles, yes: boolean, paths: Paths): Promise<void> {
  const { present } = await rotationUnderWay(files.keyFile)
  print(
    `${present.hostname} will not be reached any more: who has only this name of the server loses it.`,
    'Its key is deleted, and the name can never be used again.',
  )
  if (!yes) await agree()
  const { next } = await finishRotation(files)
  await withRunningTor(paths, async (control) => await takeAway(control, present))
  print(
    `${next.hostname} is now the only onion name.`,
    `Server address: ${await address(paths)}`,
    'Make a new backup of its key: `smp-server tor key backup FILE`.',
  )
}

async function abort(files: RotationFiles, paths: Paths): Promise<void> {
  const { present, next } = await abortRotation(files)
  await withRunningTor(paths, async (control) => await takeAway(control, next))
  print(`${present.hostname} stays the only onion name.`, `Server address: ${await address(paths)}`)
}

async function agree(): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new Refusal('Nothing was changed, because nobody can be asked: give -y to agree.')
  }
  const answer = await confirm({ message: 'Give the old name up?', initialValue: false })
  if (isCancel(answer) || !answer) throw new Refusal('Nothing was changed.')
}

/** The files say what is to be; a tor that cannot be asked now follows them when the server starts. */
async function withRunningTor(paths: Paths, work: (control: TorControl) => Promise<void>): Promise<void> {
  const { settings } = await loadSettings(paths)
  const form = torForm(settings, paths)
  const control = form && (await connectRunningTor(form).catch(() => undefined))
  if (!control) return
  try {
    await work(control)
  } finally {
    control.close()
  }
}

/** As often as a server looks after its keys, and a bit. */
const takeUpMs = 20_000

async function waitForPublication(control: TorControl, key: OnionKey): Promise<void> {
  const progress = process.stdout.isTTY ? terminalProgress() : lineProgress()
  const watch = await PublicationWatch.open(control)
  progress.begin('onion', 'Waiting for the server to take the new name up')
  if (!(await isTakenUp(control, key))) {
    progress.left('onion', 'The server does not run, and publishes the new name when it does')
    return
  }
  progress.done('onion', 'The server has taken the new name up')
  await showPublication(control, watch, key, progress)
}

async function isTakenUp(control: TorControl, key: OnionKey): Promise<boolean> {
  const deadline = performance.now() + takeUpMs
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
  progress.begin('bootstrap', 'Connecting to the Tor network')
  const service = { key, hostname: key.hostname, isNew: false, wasThere: true }
  const outcome = await watch.published(service, defaultTimeouts, publicationSteps(progress))
  if (outcome.published) progress.done('publication', 'The Tor network has the descriptor')
  else progress.left('publication', `Not published yet: ${outcome.why}`)
}

async function address(paths: Paths): Promise<string> {
  const { settings } = await loadSettings(paths)
  return addressText(addressParts(settings, await readFingerprint(paths)))
}
