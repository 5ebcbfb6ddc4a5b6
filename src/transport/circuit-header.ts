import type { Socket } from 'node:net'

/*
 * What tor sends before the bytes of a client where HiddenServiceExportCircuitID is haproxy (tor.1): a header of the PROXY
 * protocol, version 1, whose source address is the number of the circuit.
 *
 *   "PROXY TCP6 fc00:dead:beef:4dad::" hex16 ":" hex16 " ::1 " source-port " " virtual-port CR LF
 */

/** A header of version 1 with everything in it at its longest (PROXY protocol §2.1). */
export const MAX_CIRCUIT_HEADER = 107

const HEADER = /^PROXY TCP6 fc00:dead:beef:4dad::([0-9a-f]{1,4}):([0-9a-f]{1,4}) ::1 \d{1,5} \d{1,5}$/

export interface CircuitHeader {
  /** 32 bits that tell the circuits of one tor from each other for as long as it runs. */
  readonly circuit: number
  /** Bytes of the header. */
  readonly length: number
}

/** The header at the start of a connection; bytes that cannot be the start of one are `other`. */
export function parseCircuitHeader(bytes: Buffer): CircuitHeader | 'incomplete' | 'other' {
  const end = bytes.subarray(0, MAX_CIRCUIT_HEADER).indexOf('\r\n')
  if (end === -1) {
    if (bytes.length >= MAX_CIRCUIT_HEADER) return 'other'
    const text = bytes.toString('latin1')
    return PREFIX.startsWith(text.slice(0, PREFIX.length)) && /^[ -~]*\r?$/.test(text) ? 'incomplete' : 'other'
  }
  const [, high, low] = HEADER.exec(bytes.toString('latin1', 0, end)) ?? []
  if (high === undefined || low === undefined) return 'other'
  return { circuit: parseInt(high, 16) * 0x1_00_00 + parseInt(low, 16), length: end + 2 }
}

const PREFIX = 'PROXY TCP6 fc00:dead:beef:4dad::'

/**
 * Reads the header of a connection from tor, and leaves the client's bytes in the socket.
 *
 * @param taken is given the number of the circuit
 * @param failed the connection started with something else, ended, or `timeoutMs` passed; it is destroyed
 */
export function takeCircuitHeader(
  socket: Socket,
  timeoutMs: number,
  taken: (circuit: number) => void,
  failed: (code: string) => void,
): void {
  let read: Buffer = Buffer.alloc(0)
  let code = 'ECONNRESET'
  const leave = (): void => {
    clearTimeout(timer)
    socket.off('data', take).off('error', fail).off('close', closed)
  }
  const take = (chunk: Buffer): void => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk])
    const header = parseCircuitHeader(read)
    if (header === 'incomplete') return
    if (header === 'other') {
      code = 'NO_CIRCUIT_HEADER'
      socket.destroy()
      return
    }
    leave()
    socket.pause()
    if (read.length > header.length) socket.unshift(read.subarray(header.length))
    taken(header.circuit)
    socket.resume()
  }
  const fail = (error: NodeJS.ErrnoException): void => {
    code = error.code ?? code
  }
  const closed = (): void => {
    leave()
    failed(code)
  }
  const timer = setTimeout(() => {
    code = 'ERR_TLS_HANDSHAKE_TIMEOUT'
    socket.destroy()
  }, timeoutMs)
  socket.on('error', fail).on('close', closed).on('data', take)
}
