import { AppError } from '../../errors/app-error.ts'
import { iniValue } from '../../config/ini.ts'
import { type OnionRecord, type TorMode, torModes } from './record.ts'
import type { ServiceType } from './service-config.ts'

/*
 * Which tor carries the onion service, and how. The INI file says so; where it does not, because it was rendered anew or
 * because setup had no reason to write it, the record of the setup does.
 */

/**
 * `undefined`: no onion service was ever set up.
 *
 * @param ini `[TOR] mode`
 */
export function torModeOf(
  ini: TorMode | undefined,
  record: Pick<OnionRecord, 'mode'> | undefined,
  hasKey: boolean,
): TorMode | undefined {
  return ini ?? record?.mode ?? (hasKey ? 'own' : undefined)
}

/** `[TOR] mode`, if it is set. */
export function modeOfIni(ini: string): TorMode | undefined {
  const mode = iniValue(ini, 'TOR', 'mode')
  return torModes.find((known) => known === mode)
}

/** What `[TOR] single_hop` says, else what was recorded, else single-hop. */
export function serviceTypeOf(ini: string, record: Pick<OnionRecord, 'serviceType'> | undefined): ServiceType {
  return serviceTypeFrom(booleanOf(iniValue(ini, 'TOR', 'single_hop')), record)
}

/** @param singleHop `[TOR] single_hop`, if it is set */
export function serviceTypeFrom(
  singleHop: boolean | undefined,
  record: Pick<OnionRecord, 'serviceType'> | undefined,
): ServiceType {
  if (singleHop === undefined) return record?.serviceType ?? 'single-hop'
  return singleHop ? 'single-hop' : 'anonymous'
}

function booleanOf(value: string | undefined): boolean | undefined {
  return value === 'on' ? true : value === 'off' ? false : undefined
}

/**
 * Makes sure that the relay keeps its key itself.
 *
 * @param mode effective mode
 * @throws AppError `ONION_KEY_ELSEWHERE` when tor does
 */
export function requireOwnKey(mode: TorMode | undefined): void {
  if (mode !== 'torrc') return
  throw new AppError(
    'ONION_KEY_ELSEWHERE',
    'In mode torrc the onion key belongs to tor, not to the relay.',
    'Work with hs_ed25519_secret_key in its HiddenServiceDir, or run `smp-server tor remove --keep-key` first.',
  )
}
