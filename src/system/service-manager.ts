import { existsSync } from 'node:fs'
import { AppError } from '../errors/app-error.ts'
import type { CommandRunner } from './command.ts'

/** Everything that this program asks of the system's service manager; units are named without `.service`. */
export interface ServiceManager {
  readonly type: 'systemd' | 'none'
  isActive(unit: string): Promise<boolean>
  /** Starts it now and at every boot. */
  enable(unit: string): Promise<void>
  /** Stops and starts it; changes that a running tor cannot take need this. */
  restart(unit: string): Promise<void>
  /** Stops it now, and starts it no more at boot. */
  disable?(unit: string): Promise<void>
}

/** systemd, if it is what this machine was booted with. */
export function detectServiceManager(run: CommandRunner): ServiceManager {
  return existsSync('/run/systemd/system') ? systemd(run) : noServiceManager
}

export function systemd(run: CommandRunner): ServiceManager {
  const systemctl = async (...args: string[]): Promise<void> => {
    const { status, stderr } = await run('systemctl', args)
    if (status === 0) return
    const command = `systemctl ${args.join(' ')}`
    const why = stderr.trim().split('\n')[0] ?? ''
    const remedy = `See: journalctl -u ${args.at(-1) ?? ''} -n 20`
    throw new AppError(
      'SYSTEMCTL',
      `\`${command}\` failed: ${why.replace(/[. ]+$/, '') || 'it gave no reason'}.`,
      remedy,
    )
  }
  return {
    type: 'systemd',
    isActive: async (unit) => (await run('systemctl', ['is-active', '--quiet', unit])).status === 0,
    enable: async (unit) => await systemctl('enable', '--now', unit),
    restart: async (unit) => await systemctl('restart', unit),
    disable: async (unit) => await systemctl('disable', '--now', unit),
  }
}

/** In a container, say: there is nothing that would start a tor instance or keep it running. */
export const noServiceManager: ServiceManager = {
  type: 'none',
  isActive: () => Promise.resolve(false),
  enable: (unit) => Promise.reject(withoutManager(unit)),
  restart: (unit) => Promise.reject(withoutManager(unit)),
  // It has started none.
  disable: () => Promise.resolve(),
}

function withoutManager(unit: string): AppError {
  return new AppError(
    'NO_SERVICE_MANAGER',
    `${unit} cannot be started: this machine was not booted with systemd.`,
    'Use the form in which the relay runs its own tor: `smp-server tor setup --own`.',
  )
}
