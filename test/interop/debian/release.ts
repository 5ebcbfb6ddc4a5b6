import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { outcome, succeed } from './command.ts'

/** A release of Debian or Ubuntu, and where its packages are. */
export interface Release {
  readonly codename: string
  readonly components: string
  /** The first is the release itself, then come its updates. */
  readonly sources: readonly { readonly uri: string; readonly suite: string }[]
}

const WEEK = 604_800_000
const ubuntuReleases = ['jammy', 'noble']

export function isUbuntu(codename: string): boolean {
  return ubuntuReleases.includes(codename)
}

/** The release of this machine. */
export const ownCodename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''

/** A release, from the servers that this machine's apt uses where these have it. */
export async function releaseOf(codename: string): Promise<Release> {
  const ubuntu = isUbuntu(codename)
  const [main, updates, security] = ubuntu === isUbuntu(ownCodename) ? await ownServers() : []
  const usual = ubuntu ? 'http://archive.ubuntu.com/ubuntu/' : 'http://deb.debian.org/debian/'
  const first = main ?? usual
  const sources = [
    { uri: first, suite: codename },
    { uri: updates ?? first, suite: `${codename}-updates` },
    { uri: security ?? (ubuntu ? first : 'http://deb.debian.org/debian-security/'), suite: `${codename}-security` },
  ]
  return { codename, components: ubuntu ? 'main universe' : 'main', sources }
}

/** Whether its packages can be had from this machine. */
export async function isReachable({ codename, sources }: Release): Promise<boolean> {
  const url = `${sources[0]?.uri ?? ''}dists/${codename}/InRelease`
  return (await outcome('curl', ['--silent', '--fail', '--head', '--max-time', '20', url])).status === 0
}

/** Where apt of this machine takes its release, the updates and the security updates from. */
async function ownServers(): Promise<(string | undefined)[]> {
  const format = ['--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages']
  const rows = (await succeed('apt-get', ['indextargets', ...format])).split('\n').map((line) => line.split(' '))
  const uriOf = (release: string): string | undefined =>
    rows.find(([, suite, component]) => suite === release && component === 'main')?.[0]
  return ['', '-updates', '-security'].map((suffix) => uriOf(`${ownCodename}${suffix}`))
}

/** For what takes long to fetch; the checkouts of this user share it. @returns the directory */
export async function cacheDirectory(): Promise<string> {
  const { XDG_CACHE_HOME: cache = join(homedir(), '.cache') } = process.env
  const directory = join(cache, 'smp-onion-tests')
  await mkdir(directory, { recursive: true })
  return directory
}

/**
 * The smallest system of a release, as a tar file, made once a week.
 *
 * @param keyring who signs the release, where debootstrap of this machine does not know
 */
export async function baseSystem({ codename, sources }: Release, keyring?: string): Promise<string> {
  const file = join(await cacheDirectory(), `${codename}-${Math.floor(Date.now() / WEEK)}.tar`)
  const proxy = (await succeed('apt-config', ['shell', 'p', 'Acquire::http::Proxy'])).replace(/^p=|'|\n/g, '')
  await succeed('flock', [
    ...[join(await cacheDirectory(), `${codename}.lock`), 'unshare', '--mount'],
    ...['env', ...(proxy === '' ? [] : [`http_proxy=${proxy}`]), join(import.meta.dirname, 'base.sh')],
    ...[file, codename, sources[0]?.uri ?? ''],
    ...(keyring === undefined ? [] : [`--keyring=${keyring}`]),
  ])
  return file
}

/** The settings of npm on this machine that say how the registry is reached, as lines of an npmrc. */
export function npmSettings(): string[] {
  const { HOME = '', npm_config_userconfig: user = join(HOME, '.npmrc') } = process.env
  return [user, '/usr/local/etc/npmrc', '/usr/etc/npmrc', '/etc/npmrc']
    .map((file) => {
      try {
        return readFileSync(file, 'utf8')
      } catch {
        return ''
      }
    })
    .flatMap((text) => text.split('\n'))
    .filter((line) => /^\s*(registry|https-proxy|proxy|noproxy|\/\/.*)\s*=/.test(line))
}
