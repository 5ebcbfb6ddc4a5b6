import { markup, type Content, type Markup } from './markup.ts'
import { PAGE_POLICY } from './security-headers.ts'

export interface Page {
  readonly title: string
  readonly body: Content
  /** Further elements of the head. */
  readonly head?: Content
}

/** A whole page. Its style sheet and icon are under /media, wherever the page is. */
export function pageText({ title, body, head }: Page): string {
  return page(title, body, head).text
}

function page(title: string, body: Content, head: Content): Markup {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" type="image/svg+xml" href="/media/icon.svg">
<link rel="stylesheet" href="/media/site.css">
${head}</head>
<body>
${body}
</body>
</html>
`
}
