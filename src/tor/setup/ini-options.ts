import { resolve } from 'node:path'
import { iniValue } from '../../config/ini.ts'
import { IniEditor } from '../../config/ini-edit.ts'
import { withOnionHost } from '../../config/ini-hosts.ts'
import type { TorMode } from '../onion/record.ts'
import { endpointText } from '../control/endpoint.ts'
import type { OnionServiceConfig } from '../onion/service-config.ts'
import { type ExternalTor, targetText } from './external.ts'

/** What `tor setup` writes into the INI file. */
export interface IniOptions {
  readonly mode: TorMode
  readonly instance?: string | undefined
  /** With mode external. */
  readonly external?: ExternalTor | undefined
  readonly torrcExtra?: string | undefined
  readonly service: OnionServiceConfig
  /** Nothing but the onion address may lead to the relay, nor its own connections reveal it. */
  readonly isHidden?: boolean | undefined
  /** Rate limits at the introduction points; in mode torrc only. */
  readonly introDefence?: boolean | undefined
  /** Serve the web site at the onion address too. */
  readonly web?: boolean | undefined
  /** SOCKS port of an ordinary tor that the relay runs. */
  readonly socksPort?: number | undefined
  /** For `[PROXY] socks_proxy`. */
  readonly socksProxy?: string | undefined
}

/**
 * Sets what the options ask for and what is not so already. A proxy that the operator has chosen stays.
 *
 * @param hostname the onion address, or a placeholder for it in a plan
 * @throws AppError `HOST_OTHER_ONION`, `INI_WRITE`
 */
export function editIni(text: string, hostname: string, options: IniOptions): IniEditor {
  const { mode, instance, torrcExtra, service, isHidden = false, introDefence = false, web = false } = options
  const { socksPort, socksProxy, external } = options
  const editor = new IniEditor(text)
  const set = (section: string, key: string, value: string, missing?: string): void => {
    if ((iniValue(editor.text, section, key) ?? missing) !== value) editor.set(section, key, value)
  }
  const { pow = false, maxStreams } = service
  const isAnonymous = service.type === 'anonymous'
  editor.take('TRANSPORT', 'host', withOnionHost(text, hostname))
  if (isHidden && iniValue(text, 'TRANSPORT', 'listen_host') === undefined) set('TRANSPORT', 'listen_host', '127.0.0.1')
  set('TOR', 'mode', mode)
  if (instance !== undefined) set('TOR', 'instance', instance, 'smp')
  if (external) {
    const { control, passwordFile, cookieFile } = external.access
    set('TOR', 'control', endpointText(control))
    if (passwordFile !== undefined) set('TOR', 'control_password_file', passwordFile)
    if (cookieFile !== undefined) set('TOR', 'control_cookie', cookieFile)
    set('TOR', 'target', targetText(external.target))
  }
  if (torrcExtra !== undefined) set('TOR', 'torrc_extra', resolve(torrcExtra))
  set('TOR', 'single_hop', isAnonymous ? 'off' : 'on', 'on')
  set('TOR', 'pow', pow ? 'on' : 'off', 'off')
  if (maxStreams !== undefined) set('TOR', 'max_streams', String(maxStreams))
  if (introDefence) set('TOR', 'intro_defence', 'on')
  if (web) set('TOR', 'web', 'on')
  if (socksPort !== undefined) set('TOR', 'socks_port', String(socksPort))
  if (socksProxy !== undefined && iniValue(text, 'PROXY', 'socks_proxy') === undefined) {
    set('PROXY', 'socks_proxy', socksProxy)
  }
  if (isHidden) {
    set('PROXY', 'socks_mode', 'always', 'onion')
    set('PROXY', 'host_mode', 'onion', 'public')
  }
  return editor
}
