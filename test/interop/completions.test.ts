import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../project-root.ts'
import { buildProgram } from './cli-process.ts'
import { succeed } from './debian/command.ts'

/* The completions that the packages install, in the shells that load them. */

let directory: string

beforeAll(async () => {
  await buildProgram()
  directory = await mkdtemp(join(tmpdir(), 'smp-completions-'))
  const generator = join(projectRoot, 'scripts/command-docs.mjs')
  await succeed(process.execPath, [generator, join(projectRoot, 'dist'), directory, '1.0.0', '2026-01-01'])
  await mkdir(join(directory, 'files'))
  await writeFile(join(directory, 'files/relay.backup'), '')
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** What is typed after `smp-server `, and what the Tab key makes of it; FILES is a directory that holds `relay.backup`. */
const completed: readonly [string, string][] = [
  ['upd', 'update '],
  ['tor key imp', 'tor key import '],
  ['tor setup --onion', 'tor setup --onion-only '],
  ['init --fqdn relay.example --web-p', 'init --fqdn relay.example --web-path '],
  // A value is no command, whatever it is called.
  ['init --operator tor --web-p', 'init --operator tor --web-path '],
  ['backup FILES/rel', 'backup FILES/relay.backup '],
  ['tor setup --torrc-extra FILES/rel', 'tor setup --torrc-extra FILES/relay.backup '],
  ['address FILES/rel', 'address FILES/rel'],
]
const withFiles = (text: string): string => `smp-server ${text.replace('FILES', join(directory, 'files'))}`

describe.each(['bash', 'zsh'] as const)('%s', (shell) => {
  it('completes commands, options and files, each where they belong', async () => {
    const lines = await typed(
      shell,
      completed.map(([line]) => withFiles(line)),
    )
    expect(lines).toEqual(completed.map(([, line]) => withFiles(line)))
  }, 60_000)
})

describe('fish', () => {
  it('offers commands, options and files, each where they belong', async () => {
    const file = join(directory, 'smp-server.fish')
    const offered = async (line: string): Promise<string[]> => {
      const output = await succeed('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`])
      return output.split('\n').flatMap((row) => (row === '' ? [] : [row.split('\t')[0] ?? '']))
    }
    expect(await offered('smp-server tor key ')).toEqual(['backup', 'import', 'restore'])
    for (const [line, after] of completed.filter(([line, after]) => line !== after)) {
      const [word] = withFiles(after).trim().split(' ').slice(-1)
      expect(await offered(withFiles(line)), line).toContain(word)
    }
    expect(await offered(withFiles('address FILES/rel'))).toEqual([])
  }, 60_000)
})

/** Types lines on a terminal of a shell, a Tab after each. @returns what has become of them */
async function typed(shell: 'bash' | 'zsh', lines: readonly string[]): Promise<string[]> {
  // Ctrl-T shows the line; Enter then runs a command that does nothing.
  const settings = {
    bash: `source ${directory}/smp-server.bash
bind -x '"\\C-t": printf "\\nLINE<%s>\\n" "$READLINE_LINE"'
PS1='READY> '`,
    zsh: `fpath=(${directory} $fpath)
autoload -U compinit && compinit -u -d ${directory}/zcompdump
show() { printf '\\nLINE<%s>\\n' "$BUFFER" }
zle -N show && bindkey '^T' show
PROMPT='READY> ' PROMPT_EOL_MARK=''`,
  }
  await writeFile(join(directory, '.zshrc'), `smp-server() { :; }\n${settings.zsh}\n`)
  await writeFile(join(directory, 'bashrc'), `smp-server() { :; }\n${settings.bash}\n`)
  const answers = [...lines.map((line) => `${line}\t\u0014`), 'exit 0'].map((answer) => ['READY> ', answer])
  const command = { bash: ['bash', '--rcfile', join(directory, 'bashrc'), '-i'], zsh: ['zsh', '-i'] }[shell]
  const script = join(import.meta.dirname, 'type-in.py')
  const environment = [`ZDOTDIR=${directory}`, 'TERM=dumb', 'LC_ALL=C.UTF-8', 'INPUTRC=/dev/null']
  const shown = await succeed('env', [...environment, 'python3', script, JSON.stringify(answers), ...command])
  return [...shown.matchAll(/LINE<(.*)>/g)].map(([, line]) => line ?? '')
}
