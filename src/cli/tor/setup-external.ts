import { AppError } from '../../errors/app-error.ts'
import type { Settings } from '../../config/settings.ts'
import type { TorSetupOptions } from './setup-options.ts'
import { type ExternalTor, lookAtTor, parseEndpoint } from '../../tor/index.ts'

/**
 * The tor elsewhere that the options name, else the INI file.
 *
 * @throws AppError `TOR_CONTROL`, and whatever `lookAtTor` throws
 */
export async function externalTor(options: TorSetupOptions, { tor }: Settings): Promise<ExternalTor> {
  const text = options.control ?? tor.control
  const control = text === undefined ? undefined : parseEndpoint(text)
  if (!control) {
    const message = text === undefined ? 'control under [TOR] is missing.' : `${text} is not a control port.`
    throw new AppError('TOR_CONTROL', message, 'Pass --control HOST:PORT, or --control unix:PATH.')
  }
  const passwordFile = options.controlPasswordFile ?? tor.controlPasswordFile
  const access = {
    control,
    passwordFile,
    password: passwordFile === undefined ? tor.controlPassword : undefined,
    cookieFile: options.controlCookie ?? tor.controlCookie,
  }
  return await lookAtTor(access, options.target ?? tor.target)
}

/** @throws AppError `OPTIONS` for options of another mode */
export function refuseModesBeside(options: TorSetupOptions, isExternal: boolean): void {
  const { own, system, instance, torrcManaged, controlPasswordFile, controlCookie, target } = options
  const others = { '--own': own, '--system': system, '--instance': instance, '--torrc-managed': torrcManaged }
  const ofExternal = {
    '--control-password-file': controlPasswordFile,
    '--control-cookie': controlCookie,
    '--target': target,
  }
  const beside = firstOf(isExternal ? (options.control === undefined ? {} : others) : ofExternal)
  if (beside === undefined) return
  if (isExternal) {
    throw new AppError('OPTIONS', `With --control the relay uses a tor that runs already.`, `Leave out ${beside}.`)
  }
  throw new AppError('OPTIONS', `${beside} is for a tor elsewhere.`, `Add --control, or leave out ${beside}.`)
}

function firstOf(options: Readonly<Record<string, unknown>>): string | undefined {
  return Object.entries(options).find(([, value]) => value !== undefined)?.[0]
}
