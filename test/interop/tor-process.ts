import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ControlEndpoint } from '../../src/tor/control/endpoint.ts'

export interface TorProcess {
  readonly directory: string
  readonly endpoint: ControlEndpoint & { readonly type: 'unix' }
  readonly cookieFile: string
  readonly child: ChildProcess
  stop(): Promise<void>
}

/** A real tor with these lines, its control socket in a directory of its own, and never with a network. */
export async function startTor(lines: readonly string[]): Promise<TorProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-tor-'))
  const path = join(directory, 'control')
  const cookieFile = join(directory, 'cookie')
  await mkdir(join(directory, 'data'), { mode: 0o700 })
  const torrc = [
    `DataDirectory ${join(directory, 'data')}`,
    `ControlSocket ${path}`,
    `CookieAuthFile ${cookieFile}`,
    `__OwningControllerProcess ${process.pid}`,
    ...(lines.includes('DisableNetwork 0') ? [] : ['DisableNetwork 1']),
    'RunAsDaemon 0',
    ...lines,
    '',
  ]
  await writeFile(join(directory, 'torrc'), torrc.join('\n'))
  const args = ['--defaults-torrc', '/dev/null', '-f', join(directory, 'torrc'), '--quiet']
  const child = spawn('tor', args, { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  return {
    directory,
    endpoint: { type: 'unix', path },
    cookieFile,
    child,
    stop: async () => {
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits until `attempt` does not fail any more. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = 10_000): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }
}
