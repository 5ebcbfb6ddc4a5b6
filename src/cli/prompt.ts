import { createInterface, type Interface } from 'node:readline'
import { AppError } from '../errors/app-error.ts'

/** Asks on stdout and reads answers line by line from stdin: a terminal or a pipe. */
export class Prompt {
  readonly #reader: Interface
  readonly #lines: AsyncIterator<string>

  constructor() {
    this.#reader = createInterface({ input: process.stdin, terminal: false })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  /**
   * The next line without its line break.
   *
   * @throws AppError `INPUT_ENDED` at the end of the input
   */
  async ask(question: string): Promise<string> {
    process.stdout.write(question)
    const line = await this.#lines.next()
    if (line.done) {
      process.stdout.write('\n')
      throw new AppError(
        'INPUT_ENDED',
        'The input ended before this question was answered. Nothing was changed.',
        'Pass -y to be asked nothing.',
      )
    }
    return line.value
  }

  /** `usual` is what an empty answer means. */
  async yesOrNo(question: string, usual: boolean): Promise<boolean> {
    for (;;) {
      const answer = await this.ask(question)
      if (answer === '') return usual
      if (/^[yY]$/.test(answer)) return true
      if (/^[nN]$/.test(answer)) return false
      process.stdout.write("Invalid input, please enter 'y' or 'n'\n")
    }
  }

  /** Lets the process end although stdin is open. */
  close(): void {
    this.#reader.close()
    // A terminal, pipe or socket has `unref`; a file, such as /dev/null, ends by itself.
    if ('unref' in process.stdin) process.stdin.unref()
  }
}

/** Runs `work` with a prompt and closes it in any case. */
export async function withPrompt<T>(work: (prompt: Prompt) => Promise<T>): Promise<T> {
  const prompt = new Prompt()
  try {
    return await work(prompt)
  } finally {
    prompt.close()
  }
}
