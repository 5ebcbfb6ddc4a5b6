import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import type { CommandRunner } from '../../system/command.ts'
import { errorCode } from '../../system/error-code.ts'
import type { ServiceManager } from '../../system/service-manager.ts'
import { hiddenServices, type HiddenService } from '../process/hidden-services.ts'
import { whoListens } from '../process/socks-probe.ts'

/*
 * What `tor setup` looks up about a machine before it plans anything. Facts only; `findings.ts` says what they mean.
 */

/** A fact and where it comes from, so that an operator can look there. */
export interface Fact<T> {
  readonly value: T
  readonly source: string
}

export interface SystemRelease {
  /** `debian`, `ubuntu`, … as in /etc/os-release. */
  readonly id: string
  /** Its parents, as in ID_LIKE. */
  readonly like: readonly string[]
  readonly codename: string | undefined
  readonly name: string
}

/** Whether the relay can keep its onion key in the configuration directory. */
export interface ConfigAccess {
  readonly directory: string
  /** Names of users. */
  readonly owner: string
  readonly relayUser: string
  readonly mayWrite: boolean
}

export interface MachineFacts {
  readonly isRoot: Fact<boolean>
  readonly configAccess: Fact<ConfigAccess>
  readonly release: Fact<SystemRelease | undefined>
  /** `undefined`: no tor. */
  readonly torVersion: Fact<string | undefined>
  /** It was built with proof of work. */
  readonly torHasPow: Fact<boolean>
  readonly serviceManager: Fact<'systemd' | 'none'>
  /** What listens on tor's usual SOCKS port. */
  readonly socks: Fact<'tor' | 'other' | 'none'>
  readonly appArmor: Fact<boolean>
  /** Services in the torrc files of this machine. */
  readonly hiddenServices: Fact<readonly HiddenService[]>
}

export interface PreflightOptions {
  readonly run: CommandRunner
  readonly services: ServiceManager
  readonly torrcs: readonly string[]
  readonly configDir: string
  readonly stateDir: string
  readonly binary?: string | undefined
  readonly osRelease?: string
  readonly appArmorProfiles?: string
  readonly socksPort?: number
}

/** Gathers the facts; what cannot be learned counts as absent. */
export async function preflight(options: PreflightOptions): Promise<MachineFacts> {
  const {
    run,
    services,
    torrcs,
    configDir,
    stateDir,
    binary = 'tor',
    osRelease = '/etc/os-release',
    socksPort = 9050,
  } = options
  const { appArmorProfiles = '/sys/kernel/security/apparmor/profiles' } = options
  const [access, release, profiles, torVersion, torHasPow, socks, found] = await Promise.all([
    configAccess(configDir, stateDir, run),
    readFile(osRelease, 'utf8').catch(() => ''),
    readFile(appArmorProfiles, 'utf8').catch(() => ''),
    installedTor(run, binary),
    hasPow(run, binary),
    whoListens('127.0.0.1', socksPort),
    hiddenServices(torrcs),
  ])
  return {
    isRoot: { value: process.geteuid?.() === 0, source: 'effective user' },
    configAccess: { value: access, source: configDir },
    release: { value: parseRelease(release), source: osRelease },
    torVersion: { value: torVersion, source: `${binary} --version` },
    torHasPow: { value: torHasPow, source: `${binary} --list-modules` },
    serviceManager: { value: services.type, source: '/run/systemd/system' },
    socks: { value: socks, source: `127.0.0.1:${socksPort}` },
    appArmor: { value: /^system_tor \(enforce\)$/m.test(profiles), source: appArmorProfiles },
    hiddenServices: { value: found, source: torrcs.join(', ') },
  }
}

/** The relay runs as the user that owns its state directory. */
async function configAccess(configDir: string, stateDir: string, run: CommandRunner): Promise<ConfigAccess> {
  const config = await stat(configDir)
  const { uid } = await stat(stateDir).catch(() => config)
  const [owner, relayUser] = await Promise.all([userName(config.uid, run), userName(uid, run)])
  const mayWrite = uid === 0 || (config.uid === uid && (config.mode & 0o300) === 0o300)
  return { directory: configDir, owner, relayUser, mayWrite: mayWrite || (await isWritableByGroup(config, uid, run)) }
}

async function isWritableByGroup({ gid, mode }: Stats, uid: number, run: CommandRunner): Promise<boolean> {
  if ((mode & 0o003) === 0o003) return true
  if ((mode & 0o030) !== 0o030) return false
  const groups = (await run('id', ['-G', String(uid)]).catch(() => undefined))?.stdout ?? ''
  return groups.trim().split(/\s+/).includes(String(gid))
}

/** A container may have no name for it. */
async function userName(uid: number, run: CommandRunner): Promise<string> {
  const name = (await run('id', ['-nu', String(uid)]).catch(() => undefined))?.stdout.trim()
  return name === undefined || name === '' ? String(uid) : name
}

/** The version; undefined when there is none. @throws AppError `TOR_MISSING` when this user may not run it */
export async function installedTor(run: CommandRunner, binary: string): Promise<string | undefined> {
  try {
    return parseTorVersion((await run(binary, ['--version'])).stdout)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    const remedy = `Check its permissions: ls -l $(command -v ${binary})`
    throw new AppError('TOR_MISSING', `${binary} cannot be run by this user.`, remedy, { cause: error })
  }
}

/** An old tor does not list it, and says itself what it cannot do. */
async function hasPow(run: CommandRunner, binary: string): Promise<boolean> {
  const { stdout } = await run(binary, ['--list-modules']).catch(() => ({ stdout: '' }))
  return !/^pow: no$/m.test(stdout)
}

/** `0.4.9.11` of `Tor version 0.4.9.11 (git-…).` */
export function parseTorVersion(text: string): string | undefined {
  return /^Tor version (\d+(?:\.\d+)+)/m.exec(text)?.[1]
}

/** Reads os-release(5): lines `NAME=value`, the value bare or in quotes. */
export function parseRelease(text: string): SystemRelease | undefined {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim())
    if (match?.[1] !== undefined) values.set(match[1], match[2] ?? match[3] ?? match[4] ?? '')
  }
  const id = values.get('ID')
  if (id === undefined) return undefined
  const like = (values.get('ID_LIKE') ?? '').split(/\s+/).filter((name) => name !== '')
  return { id, like, codename: values.get('VERSION_CODENAME'), name: values.get('PRETTY_NAME') ?? id }
}
