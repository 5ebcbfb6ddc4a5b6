import { Command } from 'commander'
import { expect, it } from 'vitest'
import { initOptions } from '../../../src/cli/init/options.ts'
import { browsableUri } from '../../../src/app/version.ts'

function sourceCode(own: string | undefined, ...args: string[]): unknown {
  const command = new Command()
  for (const option of initOptions(own)) command.addOption(option)
  return command.parse(args, { from: 'user' }).opts().sourceCode
}

it('a bare --source-code is the repository of this program where its package names one', () => {
  expect(sourceCode('https://code.example/relay', '--source-code')).toBe('https://code.example/relay')
  expect(sourceCode(undefined, '--source-code')).toBe(false)
  expect(sourceCode('https://code.example/relay', '--source-code=https://fork.example')).toBe('https://fork.example')
  expect(sourceCode('https://code.example/relay')).toBeUndefined()
})

it.each([
  ['https://code.example/relay', 'https://code.example/relay'],
  ['git+https://code.example/relay.git', 'https://code.example/relay'],
  ['git@code.example:relay.git', undefined],
])('the repository %s is found at %s', (repository, uri) => {
  expect(browsableUri(repository)).toBe(uri)
})
