/**
 * The two forms of a connection link: for QR codes and the terminal, and for the app on this device.
 *
 * @typedef {{ readonly type: string, readonly web: string, readonly app: string }} Links
 */

/**
 * The links of an address; undefined when it has no part after the # sign. That part is left unchanged, except in the
 * app's form of short links, where it has to name the server.
 *
 * @param {{ readonly host: string, readonly hostname: string, readonly pathname: string, readonly hash: string }} place
 * @returns {Links | undefined}
 */
export function linksAt({ host, hostname, pathname, hash }) {
  const names = pathname.split('/').filter((name) => name !== '' && name !== 'index.html')
  const type = names.at(-1)
  const fragment = hash.slice(1)
  if (type === undefined || fragment === '') return undefined
  const isShort = type.length === 1
  return {
    type,
    web: `https://${host}/${type}#${fragment}`,
    app: `simplex:/${type}#${isShort ? withHost(fragment, hostname) : fragment}`,
  }
}

/**
 * A short link's key with `host` as the first of the hosts in `h=`.
 *
 * @param {string} fragment `key[?name=value[&name=value…]]`
 * @param {string} host
 */
function withHost(fragment, host) {
  const at = fragment.indexOf('?')
  if (at < 0) return `${fragment}?h=${host}`
  const parameters = fragment
    .slice(at + 1)
    .split('&')
    .filter((parameter) => parameter !== '')
  const index = parameters.findIndex((parameter) => parameter.startsWith('h='))
  if (index < 0) return `${fragment.slice(0, at)}?${[...parameters, `h=${host}`].join('&')}`
  const others = (parameters[index] ?? '')
    .slice(2)
    .split(',')
    .filter((name) => name !== '' && name !== host)
  parameters[index] = `h=${[host, ...others].join(',')}`
  return `${fragment.slice(0, at)}?${parameters.join('&')}`
}
