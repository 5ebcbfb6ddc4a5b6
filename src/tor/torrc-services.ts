import { readdir, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { decodeOnionKey, type OnionKey } from './onion-key.ts'
import type { OnionMode } from './onion-record.ts'

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
  const options = await readOptions(torrc, 0)
  const last = (name: string): string | undefined => options.findLast(([option]) => option === name)?.[1]
  return {
    directories: options.filter(([name]) => name === 'hiddenservicedir').map(([, value]) => value),
    mode: last('hiddenservicenonanonymousmode') === '1' ? 'single-hop' : 'anonymous',
  }
}

type TorrcOption = readonly [name: string, value: string]

/** As deep as tor itself follows %include. */
const maxDepth = 31

async function readOptions(path: string, depth: number): Promise<TorrcOption[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const options: TorrcOption[] = []
  for (const line of text.replace(/\\\r?\n/g, ' ').split(/\r?\n/)) {
    const match = /^\s*[+/]?(%include|[A-Za-z_]\w*)\s+("(?:[^"\\]|\\.)*"|[^#]*)/.exec(line)
    if (!match) continue
    const [, name = '', raw = ''] = match
    const value = raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw.trim()
    if (name !== '%include') options.push([name.toLowerCase(), value])
    else if (depth < maxDepth) {
      for (const file of await includedFiles(value)) options.push(...(await readOptions(file, depth + 1)))
    }
  }
  return options
}

/** A file, all files of a directory, or those of a directory whose names fit a pattern with `*` and `?`. */
async function includedFiles(value: string): Promise<string[]> {
  const list = async (directory: string, pattern: RegExp): Promise<string[]> => {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
    const files = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    return files
      .map(({ name }) => name)
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => join(directory, name))
  }
  const name = basename(value)
  if (/[*?]/.test(name)) {
    const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&')
    return await list(dirname(value), new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`))
  }
  const files = await list(value, /^/)
  return files.length > 0 ? files : [value]
}

async function hasKey(directory: string, key: OnionKey): Promise<boolean> {
  const bytes = await readFile(join(directory, 'hs_ed25519_secret_key')).catch(() => Buffer.alloc(0))
  return decodeOnionKey(bytes)?.serviceId === key.serviceId
}

async function resolved(path: string): Promise<string> {
  return await realpath(path).catch(() => path)
}
