import { closeSync, openSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** `sun_path` of unix(7) has 108 bytes, the zero at its end included. */
const MAX_PATH_BYTES = 107

/** A path under which the kernel takes a unix socket; `release` when it is bound or connected. */
export interface ReachablePath {
  readonly place: string
  readonly release: () => void
}

/** A path that is too long is reached through an open descriptor of its directory. */
export function reachable(path: string): ReachablePath {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { place: path, release: () => undefined }
  const descriptor = openSync(dirname(path), 'r')
  return { place: `/proc/self/fd/${descriptor}/${basename(path)}`, release: () => closeSync(descriptor) }
}
