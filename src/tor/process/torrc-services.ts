import { readdir, readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { decodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import type { OnionMode } from '../onion/record.ts'
import { torrcLines } from './torrc-lines.ts'

/*
 * Services of a torrc: no control connection lists them, and their keys are files that anybody may copy. Found are
 * the HiddenServiceDir lines of a torrc and of what it includes.
 */

export interface TorrcService {
  readonly torrc: string
  readonly directory: string
  /** The mode of all services of that torrc. */
  readonly mode: OnionMode
}

/** The torrc files that this machine's tors are run with. */
export async function usualTorrcs(): Promise<string[]> {
  const instances = '/etc/tor/instances'
  const names = await readdir(instances).catch(() => [])
  return ['/etc/tor/torrc', ...names.map((name) => join(instances, name, 'torrc')), '/usr/local/etc/tor/torrc']
}

/**
 * The service of a torrc that has this key: in the very directory the key comes from, or with the same bytes. Files
 * that cannot be read are passed over.
 *
 * @param keyFile where the key comes from
 */
export async function findTorrcService(
  key: OnionKey,
  keyFile: string,
  torrcs: readonly string[],
): Promise<TorrcService | undefined> {
  const home = await resolved(dirname(keyFile))
  for (const torrc of torrcs) {
    const { directories, mode } = await torrcServices(torrc)
    for (const directory of directories) {
      if ((await resolved(directory)) === home || (await hasKey(directory, key))) return { torrc, directory, mode }
    }
  }
  return undefined
}

/** The HiddenServiceDir lines and the mode of a torrc; none when it cannot be read. */
export async function torrcServices(torrc: string): Promise<{ directories: string[]; mode: OnionMode }> {
  const lines = await torrcLines(torrc)
  const last = (name: string): string | undefined => lines.findLast((line) => line.name === name)?.value
  return {
    directories: lines.filter(({ name }) => name === 'hiddenservicedir').map(({ value }) => value),
    mode: last('hiddenservicenonanonymousmode') === '1' ? 'single-hop' : 'anonymous',
  }
}

async function hasKey(directory: string, key: OnionKey): Promise<boolean> {
  const bytes = await readFile(join(directory, 'hs_ed25519_secret_key')).catch(() => Buffer.alloc(0))
  return decodeOnionKey(bytes)?.serviceId === key.serviceId
}

async function resolved(path: string): Promise<string> {
  return await realpath(path).catch(() => path)
}
