import { markup } from './markup.ts'
import { pageText } from './page.ts'

/** What browsers get for paths that the site does not have. */
export function notFoundPage(): string {
  return pageText({
    title: 'SimpleX relay: page not found',
    head: markup`<meta name="robots" content="noindex">\n`,
    body: markup`<main>
<h1>Page not found</h1>
<p class="lead">This server has no such page. If you followed a SimpleX link, ask its owner for the whole link.</p>
<p><a href="/">About this server</a></p>
</main>`,
  })
}
