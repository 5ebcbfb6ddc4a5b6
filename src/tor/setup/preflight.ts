import { readFile, stat } from 'node:fs/promises'
import { AppError } from '../../errors/app-error.ts'
import type { CommandRunner } from '../../system/command.ts'
import { errorCode } from '../../system/error-code.ts'
import type { ServiceManager } from '../../system/service-manager.ts'
import { hiddenServices, type HiddenService } from '../process/hidden-services.ts'
import { whoListens } from '../process/socks-probe.ts'

/*
 * What `tor setup` wants to know of a machine before it plans anything. Facts only; `judgement.ts` says what they mean.
 */

/** A fact and where it was learned, so that an operator can look there. */
export interface Fact<T> {
  readonly value: T
  readonly source: string
}

export interface SystemRelease {
  /** `debian`, `ubuntu`, … as in /etc/os-release. */
  readonly id: string
  /** What it is derived from. */
  readonly like: readonly string[]
  readonly codename: string | undefined
  readonly name: string
}

export interface MachineFacts {
  readonly isRoot: Fact<boolean>
  /** Who owns the relay's INI file; the relay runs as this user. */
  readonly relayUid: Fact<number | undefined>
  readonly release: Fact<SystemRelease | undefined>
  /** `undefined`: no tor. */
  readonly torVersion: Fact<string | undefined>
  readonly serviceManager: Fact<'systemd' | 'none'>
  /** Whether tor's usual SOCKS port is there. */
  readonly socks: Fact<'tor' | 'other' | 'none'>
  readonly appArmor: Fact<boolean>
  /** Services that torrc files of this machine define. */
  readonly hiddenServices: Fact<readonly HiddenService[]>
}

export interface PreflightOptions {
  readonly run: CommandRunner
  readonly services: ServiceManager
  readonly torrcs: readonly string[]
  /** The relay's INI file. */
  readonly ini: string
  readonly binary?: string | undefined
  readonly osRelease?: string
  readonly appArmorProfiles?: string
  readonly socksPort?: number
}

/** Gathers the facts; what cannot be learned counts as absent. */
export async function preflight(options: PreflightOptions): Promise<MachineFacts> {
  const { run, services, torrcs, ini, binary = 'tor', osRelease = '/etc/os-release', socksPort = 9050 } = options
  const { appArmorProfiles = '/sys/kernel/security/apparmor/profiles' } = options
  const [owner, release, profiles, torVersion, socks, found] = await Promise.all([
    stat(ini).catch(() => undefined),
    readFile(osRelease, 'utf8').catch(() => ''),
    readFile(appArmorProfiles, 'utf8').catch(() => ''),
    installedTor(run, binary),
    whoListens('127.0.0.1', socksPort),
    hiddenServices(torrcs),
  ])
  return {
    isRoot: { value: process.geteuid?.() === 0, source: 'effective user' },
    relayUid: { value: owner?.uid, source: ini },
    release: { value: parseRelease(release), source: osRelease },
    torVersion: { value: torVersion, source: `${binary} --version` },
    serviceManager: { value: services.type, source: '/run/systemd/system' },
    socks: { value: socks, source: `127.0.0.1:${socksPort}` },
    appArmor: { value: /^system_tor \(enforce\)$/m.test(profiles), source: appArmorProfiles },
    hiddenServices: { value: found, source: torrcs.join(', ') },
  }
}

async function installedTor(run: CommandRunner, binary: string): Promise<string | undefined> {
  try {
    return parseTorVersion((await run(binary, ['--version'])).stdout)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    const remedy = 'Look at its permissions.'
    throw new AppError('TOR_MISSING', `The program ${binary} cannot be run by this user.`, remedy, { cause: error })
  }
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
