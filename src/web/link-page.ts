import { markup } from './markup.ts'
import { pageText } from './page.ts'

/** The pages of connection links: full ones, and short ones, whose type is one letter. */
export const LINK_PATHS = ['contact', 'invitation', 'a', 'c', 'g', 'r', 'i'] as const

const apps = [
  ['App Store', 'https://apps.apple.com/us/app/simplex-chat/id1605771084'],
  ['Google Play', 'https://play.google.com/store/apps/details?id=chat.simplex.app'],
  ['F-Droid', 'https://simplex.chat/fdroid'],
  ['APK', 'https://github.com/simplex-chat/simplex-chat/releases/latest/download/simplex.apk'],
  ['Computer', 'https://simplex.chat/downloads'],
] as const

/**
 * The same page for every link: the part after # never reaches the server, so media/link-page.js fills it in. The ids
 * and the class are those of such pages on all SMP servers.
 */
export function linkPage(): string {
  return pageText({
    title: 'SimpleX: connect',
    head: markup`<meta name="robots" content="noindex">\n<script type="module" src="/media/link-page.js"></script>\n`,
    body: markup`<main>
<h1 id="link_title">Connect in SimpleX</h1>
<noscript><p class="notice">This page needs JavaScript to show the QR code and the button. Without it, copy the whole link from the address bar and paste it into the SimpleX app.</p></noscript>
<p id="link_incomplete" class="notice" hidden>This link is incomplete: the part after the # sign is missing. Ask for the whole link.</p>
<div id="link_parts" hidden>
<p id="link_meaning" class="lead"></p>
<div class="choices">
<section>
<h2>On this device</h2>
<p><a id="mobile_conn_req_uri" class="button" href="#">Open in the SimpleX app</a></p>
<p class="small">If nothing happens, install the app first:</p>
<ul class="apps">
${apps.map(([name, url]) => markup`<li><a href="${url}" rel="noreferrer">${name}</a></li>\n`)}</ul>
</section>
<section>
<h2>On another device</h2>
<p>Scan this code in the SimpleX app.</p>
<p><canvas class="conn_req_uri_qrcode" role="img" aria-label="QR code of this link" width="1" height="1"></canvas></p>
<p id="link_too_long" class="notice" hidden>This link is too long for a QR code.</p>
</section>
</div>
<section>
<h2>In the terminal app</h2>
<p class="command"><code id="conn_req_uri_text"></code></p>
<p><button id="link_copy" class="button quiet" type="button" hidden>Copy</button></p>
</section>
<p class="small">The keys are in the part of the link after the # sign. It stays in your browser; this server never sees it.</p>
</div>
<p class="small"><a href="/">About this server</a></p>
</main>`,
  })
}
