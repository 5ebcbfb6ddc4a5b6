import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { isOnion } from '../protocol/host.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import type { Build, Identity } from './server-facts.ts'
import { siteFiles } from './site-files.ts'
import { staticFiles } from './static-files.ts'
import { writeSite } from './write-site.ts'

export interface SiteOptions {
  readonly settings: Settings
  readonly paths: Paths
  readonly build: Build
  readonly identity: Identity
  readonly log: Logger
}

/**
 * Generates the site in the directory that the INI file names, and returns its request handler. Without a directory, or
 * when generation fails, there is no site and the log says why: the relay does not depend on it.
 */
export async function prepareSite(options: SiteOptions): Promise<RequestHandler | undefined> {
  const { settings, log } = options
  const { staticPath } = settings.web
  if (staticPath === undefined) {
    log.warn('No server static path set')
    return undefined
  }
  const root = resolve(staticPath)
  const location = onionLocation(options)
  try {
    await refuseOwnFiles(root, options.paths)
    await writeSite(
      root,
      await siteFiles({ settings, build: options.build, identity: options.identity, onionLocation: location }),
    )
    log.info(`Generated static site contents at "${staticPath}"`)
    return staticFiles({ root: await realpath(root), onionLocation: location, log })
  } catch (error) {
    log.warn(failure(root, error))
    return undefined
  }
}

/** The pages that another process of this relay has written. */
export async function openSite(
  options: Pick<SiteOptions, 'settings' | 'paths' | 'log'>,
): Promise<RequestHandler | undefined> {
  const { staticPath } = options.settings.web
  if (staticPath === undefined) return undefined
  return staticFiles({
    root: await realpath(resolve(staticPath)),
    onionLocation: onionLocation(options),
    log: options.log,
  })
}

/** Anyone can read the files of the site's directory, so the relay's keys must not be in it. */
async function refuseOwnFiles(root: string, { configDir, stateDir }: Paths): Promise<void> {
  const real = async (path: string): Promise<string> => await realpath(path).catch(() => path)
  const site = await real(root)
  for (const directory of [configDir, stateDir]) {
    const own = await real(directory)
    if (own !== site && !own.startsWith(site.endsWith(sep) ? site : `${site}${sep}`)) continue
    throw new AppError(
      'SITE_HOLDS_KEYS',
      `The site would publish ${directory}, which holds the relay's own files.`,
      'Set [WEB] static_path to a directory that is only for the site.',
    )
  }
}

/**
 * Where Tor Browser finds the server's page. A relay that manages its onion service knows whether port 80 of it leads to
 * the pages; for one that was set up manually this is assumed.
 */
function onionLocation({ settings, paths }: Pick<SiteOptions, 'settings' | 'paths'>): string | undefined {
  const { tor, web, transport } = settings
  const onion = transport.hosts.find(isOnion)
  const isOwn = tor.mode !== undefined || existsSync(paths.onionKey)
  if (onion === undefined || (isOwn && !(tor.web && web.httpPort !== undefined))) return undefined
  return `http://${onion}`
}

function failure(root: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error)
  const usual = 'Set [WEB] static_path to a directory that the relay can write to.'
  const remedy = error instanceof AppError ? (error.remedy ?? '') : usual
  return `Cannot generate the site in ${root}; the relay runs without it: ${reason} ${remedy}`
}
