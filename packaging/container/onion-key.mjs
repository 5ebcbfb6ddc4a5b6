// onion-key.mjs INI: for a tor in the container beside this one, an onion key where there is none, and its name among the
// hosts of the INI file.
import { dirname, join } from 'node:path'
import { readIni, replaceIni } from '../dist/config/ini-file.js'
import { withOnionHost } from '../dist/config/ini-hosts.js'
import { generateOnionKey } from '../dist/crypto/onion-key.js'
import { readOnionKey, replaceKey } from '../dist/tor/index.js'

const [ini] = process.argv.slice(2)
const keyFile = join(dirname(ini), 'onion.key')

try {
  const key = (await readOnionKey(keyFile)) ?? generateOnionKey()
  await replaceKey({ ini, keyFile, key, force: false })
  const before = await readIni(ini)
  const text = withOnionHost(before.text, key.hostname)
  if (text !== before.text) await replaceIni(ini, before, text)
} catch (error) {
  console.error(error.message, error.remedy ?? '')
  process.exitCode = 1
}
