import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { IniEditor, undoIniChange } from '../../src/config/ini-edit.ts'
import { withOnionHost } from '../../src/config/ini-hosts.ts'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'

const onion = generateOnionKey().hostname
const line = fc.constantFrom(
  '[TRANSPORT]',
  '[TOR]',
  '[OTHER]',
  'host = a.example',
  'host=<hostnames>',
  'host : a.example, b.example',
  '# host = sample',
  'mode = own',
  '; mode = own',
  'torrc_extra:/x',
  'port = 5223',
  '',
  '   ',
)
const ini = fc
  .tuple(fc.array(line), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([lines, eol, ends]) => lines.join(eol) + (ends ? eol : ''))

/** As `tor setup` does; `undefined` where it refuses to write, because it would not be read back. */
function setUp(text: string): IniEditor | undefined {
  const editor = new IniEditor(text)
  try {
    editor.take('TRANSPORT', 'host', withOnionHost(text, onion))
    editor.set('TOR', 'mode', 'system')
    editor.set('TOR', 'torrc_extra', '/extra')
  } catch {
    return undefined
  }
  return editor
}

describe('any INI file', () => {
  it('is what it was to the byte when a setup is taken back', () => {
    fc.assert(
      fc.property(ini, (before) => {
        const editor = setUp(before)
        if (editor?.change) expect(undoIniChange(editor.text, editor.change).text).toBe(before)
      }),
      { numRuns: 500 },
    )
  })

  it('has no trace of a setup left when it was edited in between, and loses no other value', () => {
    fc.assert(
      fc.property(
        ini,
        line.filter((text) => !text.startsWith('[')),
        (before, added) => {
          const editor = setUp(before)
          if (!editor?.change) return
          const { text } = undoIniChange(`# edited\n${editor.text}\n[LAST]\n${added}\n`, editor.change)
          expect(text).not.toContain(onion)
          for (const section of ['TOR', 'TRANSPORT', 'OTHER']) {
            expect(iniValue(text, section, 'port')).toBe(iniValue(before, section, 'port'))
          }
          expect(iniValue(text, 'TOR', 'mode')).toBe(iniValue(before, 'TOR', 'mode'))
          expect(iniValue(text, 'TOR', 'torrc_extra')).toBe(iniValue(before, 'TOR', 'torrc_extra'))
        },
      ),
      { numRuns: 500 },
    )
  })
})
