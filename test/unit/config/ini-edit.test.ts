import { describe, expect, it } from 'vitest'
import { iniValue } from '../../../src/config/ini.ts'
import { IniEditor, type IniChange, undoIniChange } from '../../../src/config/ini-edit.ts'
import { withHosts, withOnionHost } from '../../../src/config/ini-hosts.ts'
import { generateOnionKey } from '../../../src/crypto/onion-key.ts'

const [one, two] = [generateOnionKey().hostname, generateOnionKey().hostname]

/** As `tor setup` changes it. */
function setUp(text: string): { text: string; change: IniChange } {
  const editor = new IniEditor(text)
  editor.take('TRANSPORT', 'host', withOnionHost(text, one))
  editor.set('TOR', 'mode', 'system')
  editor.set('TOR', 'torrc_extra', '/extra')
  const { change } = editor
  if (!change) throw new Error('something was changed')
  return { text: editor.text, change }
}

const texts = {
  'a plain one': '[TRANSPORT]\nhost = a.example\nport = 5223\n',
  'the placeholder': '[TRANSPORT]\nhost = <hostnames>\n\n[TOR]\n# mode = own\n# torrc_extra = /etc/extra\n',
  'odd blanks and line ends': '\ufeff[TRANSPORT]\r\nhost=a.example , b.example\r\n\r\n[TOR]\r\ncontrol : x',
  'a mode that was there': '[TOR]\nmode: own\n\n[TRANSPORT]\nhost:  a.example\n',
  'no host at all': '# mine\n',
  nothing: '',
}

describe('a change of the INI file', () => {
  it.each(Object.entries(texts))('is taken back to the byte: %s', (_, before) => {
    const { text, change } = setUp(before)
    expect(text).not.toBe(before)
    expect(undoIniChange(text, change)).toEqual({ text: before, left: [] })
  })

  it('is rolled back with those that came after it', () => {
    const before = texts['the placeholder']
    const first = setUp(before)
    const editor = new IniEditor(first.text)
    editor.take(
      'TRANSPORT',
      'host',
      withHosts(first.text, (hosts) => [...hosts, two]),
    )
    const second = editor.change
    expect(iniValue(editor.text, 'TRANSPORT', 'host')).toBe(`${one},${two}`)
    const back = second && undoIniChange(editor.text, second).text
    expect(back).toBe(first.text)
    expect(undoIniChange(back ?? '', first.change).text).toBe(before)
  })

  it('that was never made needs no rollback', () => {
    for (const text of Object.values(texts)) {
      expect(undoIniChange(text, setUp(text).change)).toEqual({ text, left: [] })
    }
  })

  it('is rolled back key by key if the file was edited since', () => {
    const { text, change } = setUp(texts['a plain one'])
    const edited = text.replace('a.example', 'new.example').replace('port = 5223', 'port = 443\nlog_tls_errors = on')
    expect(undoIniChange(edited, change)).toEqual({
      text: '[TRANSPORT]\nhost = new.example\nport = 443\nlog_tls_errors = on\n',
      left: [],
    })
  })

  it('keeps what the operator has set since, and the keys beside it', () => {
    const { text, change } = setUp(texts['a plain one'])
    const edited = text.replace('mode = system', 'mode = own\ncontrol = /run/x')
    const { text: undone, left } = undoIniChange(edited, change)
    expect(left).toEqual(['[TOR] mode'])
    expect(iniValue(undone, 'TOR', 'mode')).toBe('own')
    expect(iniValue(undone, 'TOR', 'control')).toBe('/run/x')
    expect(iniValue(undone, 'TOR', 'torrc_extra')).toBeUndefined()
    expect(iniValue(undone, 'TRANSPORT', 'host')).toBe('a.example')
  })

  it('does not move other keys into another section', () => {
    const { text, change } = setUp(texts['a plain one'])
    const { text: undone } = undoIniChange(`${text}control = /run/x\n`, change)
    expect(iniValue(undone, 'TOR', 'control')).toBe('/run/x')
    expect(iniValue(undone, 'TOR', 'mode')).toBeUndefined()
  })

  it('restores the placeholder when the onion address was the only host', () => {
    const { text, change } = setUp(texts['the placeholder'])
    const { text: undone } = undoIniChange(`; edited\n${text}`, change)
    expect(undone).toBe(`; edited\n${texts['the placeholder']}`)
  })

  it('restores a value that it replaced', () => {
    const { text, change } = setUp(texts['a mode that was there'])
    const { text: undone } = undoIniChange(`; edited\n${text}`, change)
    expect(iniValue(undone, 'TOR', 'mode')).toBe('own')
  })
})
