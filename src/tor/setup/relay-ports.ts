import { connect } from 'node:net'
import { guardedLookup } from '../../transport/dns-guard.ts'
import { connectRelay } from '../../transport/client.ts'
import type { ConnectFailure } from '../../transport/failure.ts'
import { type PortHolder, portHolder } from '../../transport/port-holder.ts'
import type { OnionPort } from '../control/onion.ts'

/*
 * What answers at the targets of an onion service.
 */

/**
 * relay: this one, with its own certificate. other: a program that is certainly not this relay. silent: a program that
 * does not answer like this relay, or not in time. none: nothing listens.
 */
export type PortListener = 'relay' | 'other' | 'silent' | 'none'

export interface PortFact {
  readonly virtualPort: number
  /** Of this machine. */
  readonly port: number
  readonly serves: 'smp' | 'web'
  readonly listener: PortListener
  /** If /proc shows it to this user. */
  readonly holder: PortHolder | undefined
}

export interface PortQuestion {
  readonly ports: readonly OnionPort[]
  /** Those of `[TRANSPORT] port`; the others belong to the web site. */
  readonly relayPorts: readonly number[]
  /** SHA-256 of the relay's identity certificate, 32 bytes. */
  readonly keyHash: Buffer
  readonly timeoutMs?: number
}

/** Connects to every target, as tor will. */
export async function portFacts({ ports, relayPorts, keyHash, timeoutMs = 3000 }: PortQuestion): Promise<PortFact[]> {
  const targets = ports.map(({ virtualPort, target }) => ({ virtualPort, ...hostAndPort(target) }))
  const smp = await Promise.all(
    targets
      .filter(({ port }) => relayPorts.includes(port))
      .map(async ({ virtualPort, host, port }): Promise<PortFact> => {
        const listener = await whoAnswers(host, port, keyHash, timeoutMs)
        return { virtualPort, port, serves: 'smp', listener, holder: await holderOf(listener, port) }
      }),
  )
  const relay = smp.find(({ listener }) => listener === 'relay')
  const web = await Promise.all(
    targets
      .filter(({ port }) => !relayPorts.includes(port))
      .map(async ({ virtualPort, host, port }): Promise<PortFact> => {
        const isThere = await isOpen(host, port, timeoutMs)
        const holder = isThere ? await portHolder(port) : undefined
        const listener = isThere ? webListener(holder, relay) : 'none'
        return { virtualPort, port, serves: 'web', listener, holder }
      }),
  )
  return [...smp, ...web]
}

function hostAndPort(target: string): { host: string; port: number } {
  const at = target.lastIndexOf(':')
  return { host: target.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(target.slice(at + 1)) }
}

async function holderOf(listener: PortListener, port: number): Promise<PortHolder | undefined> {
  return listener === 'none' ? undefined : await portHolder(port)
}

async function whoAnswers(host: string, port: number, keyHash: Buffer, timeoutMs: number): Promise<PortListener> {
  const result = await connectRelay({ hosts: [host], port: String(port), keyHash }, { timeoutMs })
  if ('failure' in result) return listenerOf(result.failure)
  result.client.close()
  return 'relay'
}

function listenerOf({ step, reason }: ConnectFailure): PortListener {
  if (step === 'address' || step === 'connect') return 'none'
  return ['tls', 'identity', 'protocol', 'version'].includes(reason) ? 'other' : 'silent'
}

/** A web site has no identity; it is this relay's when the same process serves both. */
function webListener(holder: PortHolder | undefined, relay: PortFact | undefined): PortListener {
  if (!relay) return 'other'
  if (!holder || !relay.holder) return 'silent'
  return holder.pid === relay.holder.pid ? 'relay' : 'other'
}

function isOpen(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs, lookup: guardedLookup() })
    const end = (open: boolean) => (): void => {
      socket.destroy()
      resolve(open)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })
}
