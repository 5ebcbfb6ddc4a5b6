import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isRunning, processMark } from '../../../../src/system/process-mark.ts'
import { projectRoot } from '../../../project-root.ts'

it('a stand-in outlives a process that is killed by some time, and no longer', async () => {
  const module = join(projectRoot, 'src/tor/process/stand-in.ts')
  const program = `
    const { StandIn } = await import(${JSON.stringify(module)})
    console.log((await StandIn.start(1)).pid)
    setInterval(() => undefined, 1000)`
  const relay = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(relay.stdout, 'data')) as [Buffer]
  const standIn = processMark(Number(line.toString()))
  expect(standIn.pid).toBeGreaterThan(1)
  relay.kill('SIGKILL')
  await once(relay, 'exit')
  expect(isRunning(standIn)).toBe(true)
  const killedAt = performance.now()
  await expect.poll(() => isRunning(standIn), { timeout: 10_000 }).toBe(false)
  expect(performance.now() - killedAt).toBeGreaterThan(500)
})
