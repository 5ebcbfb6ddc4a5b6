import { linksAt } from './links.js'
import { encode } from './uqr.js'

/** @type {Readonly<Record<string, readonly [title: string, meaning: string]>>} */
const kinds = {
  invitation: ['One-time invitation', 'Someone invites you to a private conversation. This link works once.'],
  contact: ['SimpleX address', 'Open this link to contact its owner in SimpleX.'],
  a: ['SimpleX address', 'Open this link to contact its owner in SimpleX.'],
  c: ['Channel', 'Open this link to join a channel.'],
  g: ['Group', 'Open this link to join a group.'],
  r: ['Chat relay', 'This link is the address of a chat relay.'],
}
const invitation = kinds.invitation

/** Browsers scale it down to the width in the style sheet. */
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
 * Draws the code; false when the text is too long for one.
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
  // Browsers allow it only on pages that were loaded over TLS.
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
