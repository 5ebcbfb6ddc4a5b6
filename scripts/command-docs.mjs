// command-docs.mjs DIST OUTPUT VERSION DATE: the man page and the completions of the built command, from the commands
// and options that it knows: smp-server.1, smp-server.bash, _smp-server (zsh) and smp-server.fish.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { completions } from './completions.mjs'

const [dist, output, version, date] = process.argv.slice(2)
if (!dist || !output || !version || !date) throw new Error('usage: command-docs.mjs DIST OUTPUT VERSION DATE')

const { createProgram } = await import(resolve(dist, 'cli/program.js'))
const paths = (await import(resolve(dist, 'config/paths.js'))).resolvePaths({})
const program = await createProgram({ paths, version: '', sourceCode: undefined, args: [] })

/** Every command with the words that lead to it, `smp-server` itself first. */
function walk(command, words = []) {
  return [{ command, words }, ...command.commands.flatMap((sub) => walk(sub, [...words, sub.name()]))]
}

const optionsOf = (command) => command.options.filter(({ hidden }) => !hidden)
const commands = walk(program).filter(({ command }) => !command._hidden)

const roff = (text) =>
  text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1')

function manPage() {
  const lines = [
    `.TH SMP\\-SERVER 1 "${date}" "smp\\-onion ${roff(version)}" "User Commands"`,
    '.SH NAME',
    'smp\\-server \\- SimpleX relay that keeps its own onion service',
    '.SH SYNOPSIS',
    '.B smp\\-server',
    '.I COMMAND',
    '.RI [ OPTIONS ]',
    '.SH DESCRIPTION',
    'The message broker of the SimpleX network (SMP 6 to 20). Stock SimpleX apps connect to it over clearnet or through',
    '.IR .onion .',
    roff('smp-server init makes a relay, smp-server tor setup gives it an onion service, smp-server start runs it.'),
    '.SH COMMANDS',
  ]
  for (const { command, words } of commands.slice(1)) {
    if (command.commands.length > 0) continue
    const places = command.registeredArguments.map((argument) =>
      argument.required ? argument.name().toUpperCase() : `[${argument.name().toUpperCase()}]`,
    )
    lines.push('.TP', `.B ${roff(['smp-server', ...words, ...places].join(' '))}`, roff(command.description()))
    for (const option of optionsOf(command)) {
      const text = option.description.replace(/\n/g, '; ')
      lines.push('.RS', '.TP', `.B ${roff(option.flags)}`, roff(text), '.RE')
    }
  }
  lines.push(
    '.SH FILES',
    ...[
      '/etc/opt/simplex',
      'Identity, settings (smp-server.ini, explained line by line) and keys of the onion service.',
    ].map((text, index) => (index === 0 ? `.TP\n.I ${text}` : roff(text))),
    '.TP\n.I /var/opt/simplex',
    'Queues, messages and statistics.',
    '.SH ENVIRONMENT',
    '.TP\n.BR SMP_SERVER_CFG_PATH ", " SMP_SERVER_LOG_PATH',
    'Other places for the two directories.',
    '.SH EXIT STATUS',
    '0 when all went well, 1 otherwise; one sentence says why, and what to run.',
    '.SH SEE ALSO',
    '.BR tor (1)',
    '',
  )
  return lines.join('\n')
}

mkdirSync(output, { recursive: true })
for (const [name, text] of Object.entries({ 'smp-server.1': manPage(), ...completions(commands) })) {
  writeFileSync(join(output, name), text)
}
