// The completions of bash, zsh and fish for the commands that a program of commander knows. Each walks the words that are
// typed already to the command they name, and offers what can follow: commands, options after a `-`, or files.

/** What can follow the words of one command. `/tor/key` is the place of `smp-server tor key`. */
function placeOf(command, words) {
  const options = [
    ...command.options.filter(({ hidden }) => !hidden),
    command.createHelp().visibleOptions(command).at(-1),
  ]
  return {
    place: words.map((word) => `/${word}`).join(''),
    commands: command.commands.map((sub) => ({ name: sub.name(), text: brief(sub.description()) })),
    options: [...new Set(options)].map(({ long, short, required, flags, description }) => ({
      names: [long, short].filter((name) => name !== undefined && name !== null),
      text: brief(description),
      takesValue: required,
      takesFile: /<(FILE|DIR|PATH)>/.test(flags),
    })),
    takesFile: command.registeredArguments.some((argument) => argument.name() === 'FILE'),
  }
}

/** The first clause of a description: what fits beside the word. */
function brief(text) {
  return (/^.*?(?=[.;:](?: |$)| \(|\n)|^.*/.exec(text)?.[0] ?? text).trim()
}

const quoted = (text) => `'${text.replace(/'/g, `'\\''`)}'`
const list = (words) => quoted(words.join(' '))

function bash(places) {
  const cases = places.map(({ place, commands, options, takesFile }) => {
    const values = options.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names)
    const parts = [
      `commands=${list(commands.map(({ name }) => name))}`,
      `options=${list(options.map(({ names }) => names[0]))}`,
      `values=${list(values)}`,
      ...(takesFile ? ['files=yes'] : []),
    ]
    return `    ${quoted(place)}) ${parts.join(' ')} ;;`
  })
  return `# bash completion for smp-server
_smp_server() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  local place='' word commands='' options='' values='' files='' words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $place/$word in
      ${known(places)}) place=$place/$word ;;
    esac
  done
  case $place in
${cases.join('\n')}
  esac
  COMPREPLY=()
  # With nothing to offer, readline offers files.
  if [[ $current == = || $before == = || " $values " == *" $before "* ]]; then return; fi
  words=$commands
  if [[ $current == -* || -z $commands$files ]]; then words=$options; fi
  [[ -n $files && $current != -* ]] || compopt +o default
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _smp_server smp-server
`
}

function zsh(places) {
  const entry = (word, text) => quoted(`${word}:${text.replace(/:/g, '\\:')}`)
  const cases = places.map(({ place, commands, options, takesFile }) => {
    const values = options.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names)
    const parts = [
      `commands=(${commands.map(({ name, text }) => entry(name, text)).join(' ')})`,
      `options=(${options.map(({ names, text }) => entry(names[0], text)).join(' ')})`,
      `values=(${values.join(' ')})`,
      ...(takesFile ? ['files=yes'] : []),
    ]
    return `  (${quoted(place)}) ${parts.join(' ')} ;;`
  })
  return `#compdef smp-server
local place='' word files=''
local -a commands options values
for word in "\${(@)words[2,CURRENT-1]}"; do
  case $place/$word in
    (${known(places)}) place=$place/$word ;;
  esac
done
case $place in
${cases.join('\n')}
esac
if compset -P '--*=' || (( \${values[(Ie)\${words[CURRENT-1]}]} )); then
  _files
elif [[ \${words[CURRENT]} == -* || -z $commands$files ]]; then
  _describe -o option options
elif [[ -n $files ]]; then
  _files
else
  _describe command commands
fi
`
}

function fish(places) {
  const lines = places.flatMap(({ place, commands, options, takesFile }) => {
    const start = `complete -c smp-server -n ${quoted(`__smp_server_at ${quoted(place)}`)}`
    return [
      ...(takesFile ? [] : [`${start} -f`]),
      ...commands.map(({ name, text }) => `${start} -a ${name} -d ${quoted(text)}`),
      ...options.map(({ names, text, takesValue, takesFile: isFile }) => {
        const words = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
        const value = takesValue ? (isFile ? ' -r -F' : ' -x') : ''
        return `${start} ${words.join(' ')}${value} -d ${quoted(text)}`
      }),
    ]
  })
  return `# fish completion for smp-server
function __smp_server_at
  set -l place ''
  for word in (commandline -opc)[2..-1]
    switch "$place/$word"
      case ${known(places, ' ')}
        set place "$place/$word"
    end
  end
  test "$place" = "$argv[1]"
end
${lines.join('\n')}
`
}

/** The places below the program itself. */
function known(places, separator = '|') {
  return places
    .map(({ place }) => place)
    .filter((place) => place !== '')
    .join(separator)
}

/** @param commands every command with the words that lead to it @returns the text of each file by its name */
export function completions(commands) {
  const places = commands.map(({ command, words }) => placeOf(command, words))
  return { 'smp-server.bash': bash(places), '_smp-server': zsh(places), 'smp-server.fish': fish(places) }
}
