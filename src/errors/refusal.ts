/** A refusal whose lines are printed as they are, because scripts look for their wording. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly lines: readonly string[]

  constructor(...lines: readonly string[]) {
    super(lines.join(' '))
    this.lines = lines
  }
}
