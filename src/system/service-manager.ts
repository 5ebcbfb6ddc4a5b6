import { existsSync } from 'node:fs'
import { AppError } from '../errors/app-error.ts'
import type { CommandRunner } from './command.ts'

/** The service manager of the system; units are named without `.service`. */
export interface ServiceManager {
  readonly type: 'systemd' | 'none'
  isActive(unit: string): Promise<boolean>
  /** `active`, `failed`, `activating`, …; `undefined` when nobody knows. */
  state?(unit: string): Promise<string | undefined>
  /** Starts the unit now and at every boot. */
  enable(unit: string): Promise<void>
  /** Stops and starts the unit, for changes that a running Tor cannot apply. */
  restart(unit: string): Promise<void>
  /** Stops the unit now, and no longer starts it at boot. */
  disable?(unit: string): Promise<void>
}

/** systemd, if this machine was booted with it. */
export function detectServiceManager(run: CommandRunner): ServiceManager {
  return existsSync('/run/systemd/system') ? systemd(run) : noServiceManager
}

export function systemd(run: CommandRunner): ServiceManager {
  const systemctl = async (...args: string[]): Promise<void> => {
    const { status, stderr } = await run('systemctl', args)
    if (status === 0) return
    const command = `systemctl ${args.join(' ')}`
    const why = stderr.trim().split('\n')[0] ?? ''
    const remedy = `Run: \`journalctl -u ${args.at(-1) ?? ''} -n 20\``
    throw new AppError('SYSTEMCTL', `\`${command}\` failed: ${why.replace(/[. ]+$/, '') || 'no reason given'}.`, remedy)
  }
  return {
    type: 'systemd',
    isActive: async (unit) => (await run('systemctl', ['is-active', '--quiet', unit])).status === 0,
    state: async (unit) => (await run('systemctl', ['is-active', unit])).stdout.trim() || undefined,
    enable: async (unit) => await systemctl('enable', '--now', unit),
    restart: async (unit) => await systemctl('restart', unit),
    disable: async (unit) => await systemctl('disable', '--now', unit),
  }
}

/** As in a container: nothing could start a Tor instance or keep it running. */
export const noServiceManager: ServiceManager = {
  type: 'none',
  isActive: () => Promise.resolve(false),
  enable: (unit) => Promise.reject(withoutManager(unit)),
  restart: (unit) => Promise.reject(withoutManager(unit)),
  // There is nothing to stop.
  disable: () => Promise.resolve(),
}

function withoutManager(unit: string): AppError {
  return new AppError(
    'NO_SERVICE_MANAGER',
    `${unit} cannot be started: this machine was not booted with systemd.`,
    'Let the relay run its own Tor: `smp-server tor setup --own`.',
  )
}
