import type { OnionKey } from '../../../crypto/onion-key.ts'
import { readOnionKey, saveOnionKey } from '../../onion/key.ts'
import { deleteKey } from '../key-copies.ts'
import type { RevertTools, Step } from '../step.ts'

export interface KeyStepOptions {
  readonly keyFile: string
  readonly key: OnionKey
  /** Where the key comes from: its HiddenServiceDir, a file, or nothing when it is new. */
  readonly from?: string | undefined
}

/** Puts the onion key into the configuration directory. */
export async function keyStep(options: KeyStepOptions, tools: RevertTools): Promise<Step> {
  const { keyFile, key, from } = options
  const isThere = (await readOnionKey(keyFile)) !== undefined
  return {
    describe: from === undefined ? 'Create the onion key' : `Import the onion key from ${from}`,
    changes: { files: [{ path: keyFile, before: undefined, after: '(a secret key)', secret: true }] },
    isDone: isThere,
    entries: [{ type: 'key' }],
    apply: () => saveOnionKey(keyFile, key),
    revert: () => revertKey(tools),
  }
}

export async function revertKey({ places: { keyFile } }: Pick<RevertTools, 'places'>): Promise<readonly string[]> {
  await deleteKey(keyFile)
  return []
}
