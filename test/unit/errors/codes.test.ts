import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { errorsDoc } from '../../../scripts/errors-doc.ts'
import { ERROR_AREAS } from '../../../src/errors/codes.ts'
import { projectRoot } from '../../project-root.ts'

const codes = Object.values(ERROR_AREAS).flatMap((area) => Object.keys(area))

it('every error code stands in the list once', () => {
  expect(codes.toSorted()).toEqual([...new Set(codes)].toSorted())
})

it.each(Object.values(ERROR_AREAS).flatMap((area) => Object.entries(area)))(
  'error code %s is documented with a cause and a cure',
  (_code, { cause, cure }) => {
    for (const text of [cause, cure]) expect(text).toMatch(/^(?:[A-Z`]|systemd).{10,}\.$/)
  },
)

it('every error code of the list is used', () => {
  const source = readdirSync(join(projectRoot, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== join('errors', 'codes.ts'))
    .map((name) => readFileSync(join(projectRoot, 'src', name), 'utf8'))
    .join('\n')
  expect(codes.filter((code) => !source.includes(`'${code}'`))).toEqual([])
})

it('docs/errors.md is what the list of codes says (npm run docs)', () => {
  expect(readFileSync(join(projectRoot, 'docs/errors.md'), 'utf8')).toBe(errorsDoc())
})
