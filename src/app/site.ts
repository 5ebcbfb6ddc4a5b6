import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import { addressParts, addressText } from './address.ts'
import { readFingerprint } from './identity.ts'
import { buildCommit, packageVersion } from './version.ts'

interface SiteSource {
  readonly settings: Settings
  readonly paths: Paths
  readonly log: Logger
}

/** The pages about the relay, made in `static_path`; `undefined` when there are none. */
export async function makeSite({ settings, paths, log }: SiteSource): Promise<RequestHandler | undefined> {
  const { prepareSite } = await import('../web/prepare-site.ts')
  const fingerprint = await readFingerprint(paths)
  const address = addressText({ ...addressParts(settings, fingerprint), password: undefined })
  const build = { version: packageVersion(), commit: buildCommit() }
  return await prepareSite({ settings, paths, log, build, identity: { fingerprint, address } })
}

/** The pages that another process of the relay has made. */
export async function openSite({ settings, paths, log }: SiteSource): Promise<RequestHandler | undefined> {
  const { openSite } = await import('../web/prepare-site.ts')
  return await openSite({ settings, paths, log })
}
