import { linksAt } from './links.js'
import { encode } from './uqr.js'

/** @type {Readonly<Record<string, readonly [title: string, meaning: string]>>} */
const kinds = {
  invitation: ['One-time invitation', 'Somebody invites you to a private conversation. This link works once.'],
  contact: ['SimpleX address', 'With this link you ask somebody, or a group, to connect with you.'],
  a: ['SimpleX address', 'With this link you ask somebody to connect with you.'],
  c: ['Channel', 'With this link you join a channel.'],
  g: ['Group', 'With this link you join a group.'],
  r: ['Chat relay', 'This link leads to a chat relay.'],
}
const invitation = kinds.invitation

/** What browsers scale down to the width that the style sheet gives. */
const codePixels = 960
const quietZone = 4

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`no element ${id}`)
  return found
}

function show() {
  const links = linksAt(location)
  element('link_incomplete').hidden = links !== undefined
  element('link_parts').hidden = links === undefined
  if (!links) return
  const [title, meaning] = kinds[links.type === 'i' ? 'invitation' : links.type] ?? invitation ?? ['', '']
  document.title = `SimpleX: ${title}`
  element('link_title').textContent = title
  element('link_meaning').textContent = meaning
  element('mobile_conn_req_uri').setAttribute('href', links.app)
  element('conn_req_uri_text').textContent = `/c ${links.web}`
  let drawn = true
  for (const canvas of document.querySelectorAll('canvas.conn_req_uri_qrcode')) {
    if (canvas instanceof HTMLCanvasElement) drawn = draw(canvas, links.web) && drawn
  }
  element('link_too_long').hidden = drawn
}

/**
 * Whether there was room for the text.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} text
 */
function draw(canvas, text) {
  const code = encoded(text)
  canvas.hidden = code === undefined
  const context = canvas.getContext('2d')
  if (!code || !context) return false
  const scale = Math.max(1, Math.floor(codePixels / code.size))
  canvas.width = canvas.height = code.size * scale
  context.fillStyle = '#fff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.fillStyle = '#000'
  code.data.forEach((row, y) =>
    row.forEach((isDark, x) => {
      if (isDark) context.fillRect(x * scale, y * scale, scale, scale)
    }),
  )
  return true
}

/** @param {string} text */
function encoded(text) {
  try {
    return encode(text, { ecc: 'M', border: quietZone })
  } catch {
    return undefined
  }
}

function offerCopying() {
  // Browsers allow it on pages that came over TLS only.
  if (!('clipboard' in navigator)) return
  const button = element('link_copy')
  button.hidden = false
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(element('conn_req_uri_text').textContent ?? '').then(
      () => (button.textContent = 'Copied'),
      () => (button.textContent = 'Could not copy'),
    )
  })
}

show()
offerCopying()
addEventListener('hashchange', show)
