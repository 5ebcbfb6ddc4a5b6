import { randomBytes } from 'node:crypto'
import type { Command } from '../client/authorization.ts'
import { expectReply, type SmpClient } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import type { RelayAddress } from '../client/connection.ts'
import { forward, pfwd, relayBehindProxy, type ForwardedRelay } from '../client/proxy.ts'
import type { Received, Reply } from '../client/replies.ts'

const none = Buffer.alloc(0)

/** PRXY, whatever the answer is. */
export const prxy = (client: SmpClient, address: RelayAddress, password?: string): Promise<Reply> => {
  const { host, port, keyHash } = address
  return client.request({ entityId: none, bytes: commands.prxy({ hosts: [host], port: `${port}`, keyHash }, password) })
}

/** PRXY that has to succeed; the relay as the sender knows it then. */
export const relayOf = async (client: SmpClient, address: RelayAddress, maxVersion?: number): Promise<ForwardedRelay> =>
  relayBehindProxy(expectReply(await prxy(client, address), 'PKEY'), address.keyHash, maxVersion)

/** PFWD of a command, whatever the proxy answers. */
export const forwardRaw = (client: SmpClient, relay: ForwardedRelay, command: Command): Promise<Reply> => {
  const corrId = randomBytes(24)
  return client.request(pfwd(relay, forward(relay, corrId, command)), corrId)
}

/** PFWD of a command, and the relay's answer to it. */
export const through = async (client: SmpClient, relay: ForwardedRelay, command: Command): Promise<Received> => {
  const corrId = randomBytes(24)
  const forwarded = forward(relay, corrId, command)
  const received = forwarded.open(expectReply(await client.request(pfwd(relay, forwarded), corrId), 'PRES').encrypted)
  if (!received.corrId.equals(corrId)) throw new Error('the answer to another command')
  return received
}

/** A SEND to nobody, for relays that do not read it. */
export const anySend = (): Command => ({ entityId: randomBytes(24), bytes: commands.send(none, false) })
