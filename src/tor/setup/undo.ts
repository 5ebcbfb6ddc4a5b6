import { existsSync } from 'node:fs'
import { readFile, rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { CommandRunner } from '../../system/command.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { undoIniChange } from '../../config/ini-edit.ts'
import { readIni, replaceIni } from '../../config/ini-file.ts'
import { recordFile } from '../onion/record.ts'
import { ownTorPaths } from '../process/own-tor.ts'
import type { Change, SetupJournal } from './journal.ts'
import { instancePaths, isPristine } from '../process/system-instance.ts'
import { giveServiceBack, undoIncluded } from './take-service-out.ts'
import { managedMark } from '../process/torrc.ts'
import type { Places, UndoTools } from './undo-tools.ts'

export interface Undone {
  /** Sentences about what the operator has changed since, and that stays therefore. */
  readonly left: readonly string[]
  /** Why a change could not be taken back; it is still in the journal. */
  readonly failures: readonly unknown[]
}

/**
 * Takes changes back, the last one first, and strikes them out of the journal. One that cannot be taken back does not
 * keep the others from it.
 *
 * @param chosen of the journal's changes
 */
export async function undoChanges(journal: SetupJournal, chosen: readonly Change[], tools: UndoTools): Promise<Undone> {
  const left: string[] = []
  const failures: unknown[] = []
  for (const change of chosen.toReversed()) {
    try {
      left.push(...(await undo(change, tools)))
      await journal.strike(change)
    } catch (error) {
      failures.push(error)
    }
  }
  return { left, failures }
}

async function undo(change: Change, tools: UndoTools): Promise<readonly string[]> {
  const { places, run, services } = tools
  switch (change.type) {
    case 'made':
      for (const path of placesOf(change.what, places)) await rm(path, { recursive: true, force: true })
      return []
    case 'ini': {
      const ini = await readIni(places.ini)
      const { text, left } = undoIniChange(ini.text, change)
      if (text !== ini.text) await replaceIni(places.ini, ini, text)
      return left.map((key) => `${key} was set to something else since, and stays in ${places.ini}.`)
    }
    case 'torrc':
      return await undoTorrc(change.name, change.before)
    case 'included':
      return await undoIncluded(change, tools)
    case 'adopted':
      return await giveServiceBack(change, tools)
    case 'unit': {
      const unit = change.name === 'default' ? 'tor@default' : instancePaths(change.name).unit
      if (change.was === 'running') await services.restart(unit)
      else await services.disable?.(unit)
      return []
    }
    case 'member':
      // Fails when the user is no member any more.
      await run('gpasswd', ['-d', change.user, instancePaths(change.name).user])
      return []
    case 'instance':
      return await undoInstance(change.name, change.parents, run)
  }
}

function placesOf(what: 'key' | 'record' | 'ports' | 'tor', places: Places): string[] {
  switch (what) {
    case 'key':
      return [places.keyFile]
    case 'record':
      return [recordFile(places.keyFile)]
    case 'ports':
      return [places.portsFile]
    case 'tor':
      return places.torDirectory === undefined ? [] : ownTorDirectories(places.torDirectory)
  }
}

/** The data directory, and that of the control socket when it had to be a shorter one. */
export function ownTorDirectories(directory: string): string[] {
  return [...new Set([dirname(ownTorPaths(directory).controlSocket), directory])]
}

async function undoTorrc(name: string, before: string | null): Promise<readonly string[]> {
  const { torrc } = instancePaths(name)
  if (!existsSync(torrc)) return []
  const present = await readFile(torrc, 'utf8')
  if (present === before) return []
  if (!present.includes(managedMark)) return [`${torrc} holds settings that smp-server did not write, and stays.`]
  if (before === null) await rm(torrc)
  else await writeDurably(torrc, before, { mode: 0o644, ifExists: 'replace' })
  return []
}

async function undoInstance(name: string, parents: readonly string[], run: CommandRunner): Promise<readonly string[]> {
  const { torrc, user } = instancePaths(name)
  const present = existsSync(torrc) ? await readFile(torrc, 'utf8') : ''
  if (!isPristine(present)) return [`The tor instance ${name} stays, because somebody has changed ${torrc}.`]
  const { status, stderr } = await run('/usr/sbin/deluser', ['--system', '--quiet', user])
  // 2: there is no such user any more.
  if (status !== 0 && status !== 2) {
    const message = `The user ${user} could not be removed: ${stderr.trim().replace(/[. ]+$/, '')}.`
    throw new AppError('TOR_INSTANCE_REMOVE', message, `Stop what runs as that user: pgrep -u ${user}`)
  }
  for (const path of ['/etc/tor/instances', '/var/lib/tor-instances', '/run/tor-instances']) {
    await rm(`${path}/${name}`, { recursive: true, force: true })
  }
  // Other instances may have come since.
  for (const path of parents) await rmdir(path).catch(() => undefined)
  await run('systemctl', ['daemon-reload']).catch(() => undefined)
  return []
}
