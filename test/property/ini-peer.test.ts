import fc from 'fast-check'
import { expect, it } from 'vitest'
import { IniEditor } from '../../src/config/ini-edit.ts'
import { keyRows } from '../../src/config/keys.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { generateIni } from '../../src/config/template.ts'
import { readByPeer, readHere } from '../ini-peer.ts'

const generated = generateIni({
  paths: resolvePaths({}),
  storeLog: true,
  dailyStats: true,
  web: true,
  host: 'a.example',
  createPassword: 'p-_=',
})
const edits = fc.array(
  fc.record({
    row: fc.constantFrom(...keyRows()),
    // Values in quotes are JSON to the package, and part of the value here.
    value: fc.stringMatching(/^[!#$%&()*+,./0-9:;<=>?@A-Z[\]^_`a-z{|}~-]{0,40}$/),
  }),
  { maxLength: 12 },
)

it('the package ini reads every key as this project does, whatever was edited in a generated file', () => {
  fc.assert(
    fc.property(edits, (changes) => {
      const editor = new IniEditor(generated)
      for (const { row, value } of changes) editor.set(row.section, row.name, value)
      expect(readByPeer(editor.text)).toEqual(readHere(editor.text))
      expect(Object.keys(readHere(editor.text)).length).toBeGreaterThan(20)
    }),
    { numRuns: 200 },
  )
})
