/** Text that is already HTML; everything else is escaped when it is put into a page. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What a page can contain: text, HTML, a list of these, or nothing. */
export type Content = string | Markup | readonly Content[] | undefined

/** A piece of HTML; its values are escaped unless they are `Markup`. */
export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.map((text, index) => text + (index < values.length ? htmlOf(values[index]) : '')).join(''))
}

function htmlOf(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.text
  return typeof content === 'string' ? escapeHtml(content) : content.map(htmlOf).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text between tags and for quoted attribute values. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

/** A link when the text is a URL with one of these schemes, otherwise the plain text. */
export function linked(text: string, schemes: readonly string[] = ['https:', 'http:']): Content {
  const protocol = URL.canParse(text) ? new URL(text).protocol : ''
  return schemes.includes(protocol) ? markup`<a href="${text}" rel="noreferrer">${text}</a>` : text
}
