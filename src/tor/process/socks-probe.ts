import { connect } from 'node:net'
import { guardedLookup } from '../../transport/dns-guard.ts'

/**
 * Whether a tor's SOCKS port listens here. It answers an HTTP request with a page that says so; a SOCKS greeting would
 * only show that it is some proxy.
 */
export function whoListens(host: string, port: number, timeoutMs = 1000): Promise<'tor' | 'other' | 'none'> {
  return new Promise((resolve) => {
    let [text, connected] = ['', false]
    const socket = connect({ host, port, lookup: guardedLookup() })
    const end = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(!connected ? 'none' : /\btor is not an http proxy/i.test(text) ? 'tor' : 'other')
    }
    const timer = setTimeout(end, timeoutMs)
    socket.setEncoding('latin1')
    socket.on('connect', () => {
      connected = true
      socket.write('GET / HTTP/1.0\r\n\r\n')
    })
    socket.on('data', (chunk: string) => (text = (text + chunk).slice(-4096)))
    socket.on('error', end)
    socket.on('close', end)
  })
}
