import { randomBytes } from 'node:crypto'
import type { SocksProxy } from '../config/key-values.ts'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import type { SocksServer } from '../transport/route.ts'
import type { ClientTorOptions, CheckRoute } from '../tor/index.ts'

/** The SOCKS port of an option or of the INI file; `isolate` gives each check circuits of its own. */
export function socksServer({ host, port, login }: SocksProxy): SocksServer {
  switch (login.type) {
    case 'none':
      return { host, port }
    case 'password':
      return { host, port, username: login.user, password: login.password }
    case 'isolate':
      return { host, port, username: randomBytes(24).toString('base64'), password: '' }
  }
}

/** A tor client for one check, with the cached network documents of the relay's tors. */
export function clientOfCheck(paths: Paths, torrcExtra: string | undefined, log: Logger): ClientTorOptions {
  return { caches: [paths.torClient, paths.tor], torrcExtra, log }
}

/** How the running relay checks that it is reachable. */
export function supervisorRoute({ proxy, tor }: Settings, paths: Paths, log: Logger): CheckRoute {
  if (proxy.socksProxy) return { type: 'socks', server: socksServer(proxy.socksProxy) }
  return { type: 'client', client: { directory: paths.torClient, torrcExtra: tor.torrcExtra, log } }
}
