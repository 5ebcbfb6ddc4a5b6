import { markup, type Markup } from './markup.ts'
import { pageText } from './page.ts'
import type { Fact } from './server-facts.ts'

export interface ServerPage {
  readonly information: readonly Fact[]
  readonly configuration: readonly Fact[]
  /** The same page under the onion address, for Tor Browser. */
  readonly onionLocation?: string | undefined
}

/** What a visitor learns about the relay. Its address is not here: who may use it has got it from the operator. */
export function serverPage({ information, configuration, onionLocation }: ServerPage): string {
  return pageText({
    title: 'SimpleX relay: server information',
    head: onionLocation && markup`<meta http-equiv="onion-location" content="${onionLocation}">\n`,
    body: markup`<main>
<h1>SimpleX relay</h1>
<p class="lead">This server passes encrypted messages between people who use <a href="https://simplex.chat" rel="noreferrer">SimpleX</a> apps. It has no accounts, does not know who its users are, and cannot read what they write.</p>
${table('Public information', information)}
${table('Configuration', configuration)}
</main>`,
  })
}

function table(title: string, facts: readonly Fact[]): Markup {
  const rows = facts.map(({ label, value }) => markup`<tr><th scope="row">${label}</th><td>${value}</td></tr>\n`)
  return markup`<section>
<h2>${title}</h2>
<table>
${rows}</table>
</section>`
}
