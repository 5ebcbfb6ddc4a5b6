import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Settings } from '../config/settings.ts'
import { appleAppSiteAssociation, assetLinks } from './app-association.ts'
import { LINK_PATHS, linkPage } from './link-page.ts'
import { notFoundPage } from './not-found-page.ts'
import { configuration, identity, publicInformation, type Build, type Identity } from './server-facts.ts'
import { serverPage } from './server-page.ts'
import type { SiteFiles } from './write-site.ts'

/** Copied unchanged. */
const MEDIA = ['icon.svg', 'link-page.js', 'links.js', 'site.css'] as const

/** Search engines may list the server page; the pages of links have nothing for them. */
const ROBOTS = `User-agent: *\n${LINK_PATHS.map((path) => `Disallow: /${path}\n`).join('')}`

export interface SiteFacts {
  readonly settings: Pick<Settings, 'information' | 'store' | 'auth' | 'transport' | 'web'>
  readonly identity: Identity
  readonly build: Build
  /** The URL of the same page under the onion address. */
  readonly onionLocation?: string | undefined
}

/** All files of the site. */
export async function siteFiles({ settings, build, identity: own, onionLocation }: SiteFacts): Promise<SiteFiles> {
  const link = linkPage()
  return new Map<string, string | Buffer>([
    [
      'index.html',
      serverPage({
        identity: identity(own, settings.transport),
        operator: settings.information?.operator?.name,
        address: settings.web.shareAddress ? own.address : undefined,
        information: publicInformation(settings.information, build),
        configuration: configuration(settings),
        onionLocation,
      }),
    ],
    ...LINK_PATHS.map((path): [string, string] => [`${path}/index.html`, link]),
    ['404.html', notFoundPage()],
    ['robots.txt', ROBOTS],
    ['favicon.ico', await readFile(new URL('./media/favicon.ico', import.meta.url))],
    ['well-known/apple-app-site-association', appleAppSiteAssociation],
    ['well-known/assetlinks.json', assetLinks],
    ['media/uqr.js', await qrCodeLibrary()],
    ...(await Promise.all(
      MEDIA.map(async (name): Promise<[string, string]> => [
        `media/${name}`,
        await readFile(new URL(`./media/${name}`, import.meta.url), 'utf8'),
      ]),
    )),
  ])
}

/** The package's browser module, which has no imports, with its licence. */
async function qrCodeLibrary(): Promise<string> {
  const dist = dirname(createRequire(import.meta.url).resolve('uqr'))
  const [licence, code] = await Promise.all([
    readFile(join(dist, '../LICENSE'), 'utf8'),
    readFile(join(dist, 'index.mjs'), 'utf8'),
  ])
  return `/*! uqr\n${licence.replaceAll('*/', '* /')}*/\n${code}`
}
