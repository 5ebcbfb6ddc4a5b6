import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildProgram, Installation } from './cli-process.ts'
import { projectRoot } from '../project-root.ts'
import { tree } from './tree.ts'

/*
 * `tor setup` is stopped at each of its steps: strace delivers a signal when it is about to put the n-th file in place.
 * Its tor has no network.
 */

const hasStrace = spawnSync('strace', ['-V']).status === 0
const relay = new Installation()
const saved = join(relay.root, 'saved')
const extra = join(relay.root, 'torrc-extra')
const setup = ['tor', 'setup', '--own', '-y', '--torrc-extra', extra]

beforeAll(async () => {
  await buildProgram()
  writeFileSync(extra, 'DisableNetwork 1\n')
  await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
  cpSync(relay.config, join(saved, 'etc'), { recursive: true })
  cpSync(relay.state, join(saved, 'var'), { recursive: true })
}, 120_000)
afterAll(() => relay.remove())

/** As it was before any setup. */
const reset = (): void => {
  for (const [path, name] of [
    [relay.config, 'etc'],
    [relay.state, 'var'],
  ] as const) {
    rmSync(path, { recursive: true })
    cpSync(join(saved, name), path, { recursive: true })
  }
}

/** @param call how a file gets its name: `rename` in the place of another, `link` as a new one */
const stopped = (signal: string, call: 'rename' | 'link', count: number): { status: number | null; stdout: string } => {
  const inject = `inject=${call}:signal=${signal}:when=${count}`
  const words = ['-f', '-qqq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject]
  const main = join(projectRoot, 'dist/cli/main.js')
  return spawnSync('strace', [...words, process.execPath, main, ...setup], {
    // One thread for files: strace counts the calls of each.
    env: { ...relay.environment, UV_THREADPOOL_SIZE: '1' },
    encoding: 'utf8',
    timeout: 60_000,
  })
}

const files = (): Record<string, string> => tree(relay.config, relay.state)
const temporary = (): string[] => readdirSync(relay.config).filter((name) => name.endsWith('.new'))

if (hasStrace) {
  // Two for tor's check of its torrc and the beginning of the journal, then two for each of three steps, then its end.
  it.each([['link', 1] as const, ...Array.from({ length: 8 }, (_, index) => ['rename', index + 1] as const)])(
    'a setup that is killed at %s %i leaves nothing half-made: the next one completes it, and remove reverts all of it',
    (call, count) => {
      reset()
      const before = files()
      const killed = stopped('SIGKILL', call, count)
      expect(killed.status).not.toBe(0)

      const { status, stdout } = relay.run(setup)
      expect([status, stdout]).toEqual([0, expect.stringMatching(/Server address: .*@a\.example,[a-z2-7]{56}\.onion/)])
      expect(temporary()).toEqual([])
      expect(relay.run(['tor', 'remove', '-y', '--delete-key']).status).toBe(0)
      expect(files()).toEqual(before)
    },
    60_000,
  )

  it.each([
    ['SIGINT', 'link', 1],
    ['SIGINT', 'rename', 4],
    ['SIGTERM', 'rename', 7],
  ] as const)(
    'a setup that gets %s at %s %i rolls back, and everything is as it was before',
    (signal, call, count) => {
      reset()
      const before = files()
      const { status, stdout } = stopped(signal, call, count)
      expect([status, stdout]).toEqual([1, expect.stringContaining('Rolled back: everything is as it was before')])
      expect(files()).toEqual(before)
    },
    60_000,
  )
} else it.skip('tor setup that is stopped at each step (needs strace: apt install strace)')
