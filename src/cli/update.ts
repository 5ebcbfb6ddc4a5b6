import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { askHealth, type Health } from '../app/health.ts'
import { unpackProgram } from '../app/program-archive.ts'
import { type ProgramHome, programHome, switchTo } from '../app/program-home.ts'
import type { Paths } from '../config/paths.ts'
import { AppError } from '../errors/app-error.ts'
import { runCommand, runLongCommand } from '../system/command.ts'
import { detectServiceManager, type ServiceManager } from '../system/service-manager.ts'
import type { Context } from './context.ts'
import { addOptions } from './options.ts'
import { print } from './output.ts'

const SERVICE = 'smp-server'
/** How long a restarted relay may take until it answers. */
const COME_UP_MS = 30_000
/** What systemctl says when it did as it was told, and the unit did not start. */
const START_FAILED = 'failed: Job for '
const DEBIAN_HOME = '/usr/lib/smp-onion'

interface UpdateOptions {
  readonly rollback?: true
  readonly restart?: true
}

/** Changes between the versions of an installed program. */
export function addUpdate(program: Command, { paths }: Context): void {
  const command = program
    .command('update')
    .description('Change to another version of this program, or back')
    .argument('[FILE]', 'smp-onion-VERSION-linux-ARCH.tar.gz; without it, --rollback or --restart')
    .action(async (file: string | undefined, options: UpdateOptions) => await update(file, options, paths))
  addOptions(command, [
    new Option('--rollback', 'Go back to the version before this one'),
    new Option('--restart', 'Restart the service, and go back when it does not answer within 30 s'),
  ])
}

async function update(file: string | undefined, options: UpdateOptions, paths: Paths): Promise<void> {
  const home = await programHome()
  if (!home) {
    const message = 'This smp-server runs from where it was built or where npm put it, and keeps no earlier version.'
    throw new AppError('UPDATE_HOME', message, 'Update it the way it came.')
  }
  if (file !== undefined && options.rollback) {
    throw new AppError('UPDATE_OPTIONS', 'FILE and --rollback exclude each other.', 'See: smp-server update --help')
  }
  const manager = detectServiceManager(runCommand)
  if (options.restart && manager.type === 'none') {
    const message = 'There is no service to restart: this machine was not booted with systemd. Nothing was changed.'
    throw new AppError('UPDATE_SERVICE', message, 'Leave out --restart, and restart the relay the way it was started.')
  }
  if (file !== undefined) await install(file, home)
  else if (options.rollback) await rollBack(home)
  else if (!options.restart) {
    print(...versionLines(home))
    return
  }
  await changeOver((await programHome()) ?? home, options, { manager, paths })
}

async function install(file: string, home: ProgramHome): Promise<void> {
  if (home.directory === DEBIAN_HOME) {
    const message = 'This smp-server came as a Debian package, and is updated as one.'
    throw new AppError('UPDATE_DEBIAN', message, 'Run: apt-get update && apt-get install smp-onion')
  }
  const version = await unpackProgram(file, home, runLongCommand)
  await switchTo(home, version)
  print(`smp-server is version ${version} now; ${home.current} stays for \`smp-server update --rollback\`.`)
}

async function rollBack(home: ProgramHome): Promise<void> {
  if (home.previous === undefined) {
    throw new AppError('UPDATE_PREVIOUS', `There is no earlier version in ${home.directory}.`)
  }
  await switchTo(home, home.previous)
  print(`smp-server is version ${home.previous} again; ${home.current} stays beside it.`)
  if (home.directory === DEBIAN_HOME) {
    print(`apt still has ${home.current}, and its next update comes as usual.`)
  }
}

function versionLines({ directory, current, previous }: ProgramHome): string[] {
  const before = previous ?? 'none'
  return [`Version:  ${current}`, `Previous: ${before}`, `Both are in ${directory}.`]
}

/** A running relay is still the earlier program until it is restarted. */
async function changeOver(
  home: ProgramHome,
  options: UpdateOptions,
  { manager, paths }: { manager: ServiceManager; paths: Paths },
): Promise<void> {
  const runs = await manager.isActive(SERVICE)
  if (!options.restart) {
    if (runs) print(`The running server is still the other version. To change over: systemctl restart ${SERVICE}`)
    return
  }
  const health = await restarted(manager, paths)
  print(health.line)
  if (health.healthy) return
  const journal = `See: journalctl -u ${SERVICE} -n 50`
  if (options.rollback || home.previous === undefined) {
    throw new AppError('UPDATE_HEALTH', `Version ${home.current} does not come up.`, journal)
  }
  await switchTo(home, home.previous)
  const after = await restarted(manager, paths)
  const message = `Version ${home.current} did not come up within ${COME_UP_MS / 1000} s; ${home.previous} is back. ${after.line}`
  throw new AppError('UPDATE_ROLLED_BACK', message, journal)
}

/**
 * What becomes of the restarted service. A start that fails, or waits for a relay that hangs, shows in its health; what
 * systemd refused to do at all is thrown.
 */
async function restarted(manager: ServiceManager, paths: Paths): Promise<Health> {
  const givenUpAt = Date.now() + COME_UP_MS
  await Promise.race([
    manager.restart(SERVICE).catch((error: unknown) => {
      if (!(error instanceof AppError) || !error.message.includes(START_FAILED)) throw error
    }),
    sleep(COME_UP_MS, undefined, { ref: false }),
  ])
  return await comesUp(paths, givenUpAt)
}

async function comesUp(paths: Paths, givenUpAt: number): Promise<Health> {
  for (;;) {
    const health = await askHealth(paths)
    if (health.healthy || Date.now() > givenUpAt) return health
    await sleep(500)
  }
}
