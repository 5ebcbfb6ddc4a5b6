// settings.mjs INI: puts the variables SMP_SECTION_KEY of the environment into the INI file, such as
// SMP_TRANSPORT_LOG_TLS_ERRORS=on. A name that is no key of the file ends it with one sentence.
import { readIni, replaceIni } from '../dist/config/ini-file.js'
import { setIniValue } from '../dist/config/ini.js'
import { keyRows } from '../dist/config/keys.js'

const [file] = process.argv.slice(2)
const ours = ['SMP_SERVER_CFG_PATH', 'SMP_SERVER_LOG_PATH']
const nameOf = ({ section, name }) => `SMP_${section}_${name}`.toUpperCase().replace(/[^A-Z0-9]/g, '_')
const rows = new Map(keyRows().map((row) => [nameOf(row), row]))

try {
  const wanted = Object.entries(process.env).filter(([name]) => name.startsWith('SMP_') && !ours.includes(name))
  for (const [name] of wanted) {
    if (!rows.has(name))
      throw new Error(`${name} names no line of ${file}: it is SMP_SECTION_KEY, such as SMP_AUTH_NEW_QUEUES.`)
  }
  const before = await readIni(file)
  const text = wanted.reduce((changed, [name, value]) => {
    const row = rows.get(name)
    return setIniValue(changed, row.section, row.name, value)
  }, before.text)
  if (text !== before.text) await replaceIni(file, before, text)
} catch (error) {
  console.error(error.message, error.remedy ?? '')
  process.exitCode = 1
}
