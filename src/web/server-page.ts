import { renderSVG } from 'uqr'
import { Markup, markup } from './markup.ts'
import { pageText } from './page.ts'
import type { Fact } from './server-facts.ts'

/** Modules of white around a QR code. */
const QUIET_ZONE = 4

export interface ServerPage {
  readonly identity: readonly Fact[]
  /** The name of whoever runs the relay. */
  readonly operator?: string | undefined
  /** Shown with its QR code; without the password. */
  readonly address?: string | undefined
  readonly information: readonly Fact[]
  readonly configuration: readonly Fact[]
  /** The same page under the onion address, for Tor Browser. */
  readonly onionLocation?: string | undefined
}

/** What a visitor learns about the relay; its address only if the operator shares it. */
export function serverPage(page: ServerPage): string {
  const { identity, information, configuration, operator, address, onionLocation } = page
  return pageText({
    title: operator === undefined ? 'SimpleX relay: server information' : `${operator}: SimpleX relay`,
    head: onionLocation && markup`<meta http-equiv="onion-location" content="${onionLocation}">\n`,
    body: markup`<main>
<h1>${operator === undefined ? 'SimpleX relay' : `SimpleX relay of ${operator}`}</h1>
<p class="lead">This server passes encrypted messages between people who use <a href="https://simplex.chat" rel="noreferrer">SimpleX</a> apps. It has no accounts, does not know who its users are, and cannot read what they write.</p>
${address === undefined ? undefined : addressSection(address)}${table('Identity', identity)}
${table('Public information', information)}
${table('Configuration', configuration)}
</main>`,
  })
}

/** The code has a white ground of its own, so that it can be scanned from dark pages. */
function addressSection(address: string): Markup {
  const code = renderSVG(address, { ecc: 'M', border: QUIET_ZONE, pixelSize: 1 })
  return markup`<section>
<h2>Address of this relay</h2>
<div class="address">
<div class="code" role="img" aria-label="QR code of the address">${new Markup(code)}</div>
<div>
<p>In the SimpleX app, open Settings, Network &amp; servers, Your servers, and scan this code or paste the address.</p>
<p class="command"><code>${address}</code></p>
</div>
</div>
</section>
`
}

function table(title: string, facts: readonly Fact[]): Markup {
  const rows = facts.map(({ label, value }) => markup`<tr><th scope="row">${label}</th><td>${value}</td></tr>\n`)
  return markup`<section>
<h2>${title}</h2>
<table>
${rows}</table>
</section>`
}
