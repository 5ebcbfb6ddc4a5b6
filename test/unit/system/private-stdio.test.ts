import { closeSync, openSync } from 'node:fs'
import { expect, it } from 'vitest'
import { privateStdio } from '../../../src/system/private-stdio.ts'
import { runCommand } from '../../../src/system/command.ts'

it('descriptors that Node.js closes itself are not replaced', async () => {
  const before = await privateStdio(['ignore', 'pipe', 'inherit'])
  const file = openSync('/dev/zero', 'r')
  try {
    expect(await privateStdio(['ignore', 'pipe', 'inherit'])).toEqual(before)
  } finally {
    closeSync(file)
  }
})

it('a program that does not exist is reported, whatever is inherited', async () => {
  await expect(runCommand('/nowhere/program', [])).rejects.toMatchObject({ code: 'ENOENT' })
})

it('a program that is stopped ends at once', async () => {
  const beganAt = performance.now()
  expect((await runCommand('sleep', ['30'], AbortSignal.timeout(100))).status).toBeUndefined()
  expect(performance.now() - beganAt).toBeLessThan(5000)
})
