import { styleText } from 'node:util'
import { Help } from 'commander'

const USUAL_WIDTH = 80
const NARROWEST = 20

/** The stream that a text goes to decides about its width and its colours. */
type Stream = NodeJS.WriteStream

/** Columns of the terminal; elsewhere those of COLUMNS, or 80. */
export function terminalWidth(stream: Stream = process.stdout): number {
  const columns = stream.isTTY ? stream.columns : Number(process.env.COLUMNS)
  return Number.isInteger(columns) && columns >= NARROWEST ? columns : USUAL_WIDTH
}

/** Stands for a blank at which no line may end. */
const GLUE = '\ue000'

/**
 * Breaks each line of a text at blanks so that it fits, but never inside of a command in backticks. What follows stands
 * below the first word, behind the mark of a list.
 */
export function wrap(text: string, width: number = terminalWidth()): string {
  const help = new Help()
  help.minWidthToWrap = 1
  return text
    .split('\n')
    .map((line) => {
      const [head = ''] = /^ *(?:[-*•] +)?/.exec(line) ?? []
      const glued = line.slice(head.length).replace(/`[^`]*`/g, (command) => command.replaceAll(' ', GLUE))
      const lines = help.boxWrap(glued, Math.max(1, width - head.length)).split('\n')
      return head + lines.join(`\n${' '.repeat(head.length)}`).replaceAll(GLUE, ' ')
    })
    .join('\n')
}

const STYLES = {
  fault: ['bold', 'red'],
  warning: ['bold', 'yellow'],
  success: ['bold', 'green'],
  strong: ['bold'],
  faint: ['dim'],
} as const

export type Style = keyof typeof STYLES

/** The text in a colour, if the stream is a terminal and the user wants colours (NO_COLOR, FORCE_COLOR). */
export function paint(style: Style, text: string, stream: Stream = process.stdout): string {
  return styleText([...STYLES[style]], text, { stream })
}
