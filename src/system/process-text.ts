import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** A process as a person finds it: `process 1234 (smp-server start)`. */
export function processText(pid: number): string {
  const words = commandOf(pid, '/proc')
  return words.length === 0 ? `process ${pid}` : `process ${pid} (${words.join(' ').slice(0, 60)})`
}

/** The program of a process, such as `nginx` or `smp-server`; `unknown` where /proc does not tell. */
export function programName(pid: number, proc = '/proc'): string {
  const [program = ''] = commandOf(pid, proc)
  if (program === 'smp-server') return program
  const name = textOf(`${proc}/${pid}/comm`).trim()
  // The kernel's name of every process of Node.js 24.
  return (name === 'MainThread' ? basename(program) : name) || 'unknown'
}

/** `smp-server` with its arguments, or the program alone; empty for a process of the kernel and one that is gone. */
function commandOf(pid: number, proc: string): string[] {
  const words = textOf(`${proc}/${pid}/cmdline`).split('\0').filter(Boolean)
  const script = words.findIndex((word) => /[/\\](main\.[jt]s|smp-server)$/.test(word) || word === 'smp-server')
  return script === -1 ? words.slice(0, 1) : ['smp-server', ...words.slice(script + 1)]
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
