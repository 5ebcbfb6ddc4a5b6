import { spawn } from 'node:child_process'

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of this machine. @returns what it prints */
export async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await outcome(program, args)
  if (status === 0) return stdout
  throw new Error(`${program} ${args.join(' ')} failed (${status}):\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`)
}

/** Runs a program of this machine, whatever comes of it. */
export function outcome(program: string, args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8')
      child[name].on('data', (text: string) => (output[name] += text))
    }
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, ...output }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
