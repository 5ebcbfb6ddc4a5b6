import { sha3_384 } from '../../crypto/hash.ts'
import { dh } from '../../crypto/box.ts'
import { generateDhKeyPair, type DhKey } from '../../crypto/keys.ts'
import type { Command } from '../../protocol/command.ts'
import { idFromBytes, type LinkId, type NotifierId, type RcvId, type SndId } from '../../protocol/ids.ts'
import { ID_SIZE } from '../../protocol/limits.ts'
import type { LinkData, NotifierRec, QueueRec } from '../../store/store.ts'
import type { RequiredKeys } from '../authorization.ts'
import { today } from '../core.ts'
import { fail, durable, type Context, type Outcome } from '../outcome.ts'
import { mayAssociate, storeService } from '../service-session.ts'
import { takeService } from '../services.ts'
import { subscribeSession } from './subscribe.ts'

/** Attempts to find free ids; one is enough unless randomness is broken. */
const ATTEMPTS = 3

/** NEW is authorised with the recipient key in the command. */
export function creatorKey({ rcvAuthKey }: Command<'NEW'>): RequiredKeys {
  return [rcvAuthKey]
}

/** NEW: creates a queue and, unless told otherwise, subscribes this connection to it. */
export function newQueue(context: Context, command: Command<'NEW'>): Outcome {
  const { core, session, corrId } = context
  if (!core.policy.newQueues || !core.creationPassword.allows(session, command.password)) return fail({ type: 'AUTH' })
  const service = session.link.service
  if (service !== undefined && !command.subscribe) return fail({ type: 'CMD', error: 'PROHIBITED' })
  const link = command.queueRequest?.link
  if (link !== undefined && link.sndId !== senderIdOf(corrId)) return fail({ type: 'CMD', error: 'PROHIBITED' })

  const chosenLinkId = command.queueRequest?.mode === 'C' ? command.queueRequest.link?.linkId : undefined

  const rcv = agree(command.rcvDhKey)
  const ntf = command.notifierKeys && agree(command.notifierKeys.dhKey)
  if (rcv === undefined || (command.notifierKeys && ntf === undefined)) return fail({ type: 'CRYPTO' })
  if (!mayAssociate(context)) return fail({ type: 'SERVICE' })
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const notifier: NotifierRec | undefined = command.notifierKeys &&
      ntf && {
        notifierId: idFromBytes<NotifierId>(core.random(ID_SIZE)),
        key: command.notifierKeys.authKey,
        dhSecret: ntf.secret,
      }
    const linkId = link && (chosenLinkId ?? idFromBytes<LinkId>(core.random(ID_SIZE)))
    const queue: QueueRec = {
      rcvId: idFromBytes<RcvId>(core.random(ID_SIZE)),
      sndId: link?.sndId ?? idFromBytes<SndId>(core.random(ID_SIZE)),
      recipientKeys: [command.rcvAuthKey],
      rcvDhSecret: rcv.secret,
      status: { type: 'active' },
      updatedAt: today(core),
      ...(command.queueRequest && { queueMode: command.queueRequest.mode }),
      ...(linkId && { linkId }),
      ...(notifier && { notifier }),
      ...(service && { rcvServiceId: service.serviceId }),
    }
    const linkData: LinkData | undefined = link && { fixedData: link.fixedData, userData: link.userData }
    const taken = core.store.addQueue(queue, linkData)
    if (taken === undefined) {
      storeService(context)
      core.stats.qCreated++
      if (notifier !== undefined) core.stats.ntfNewCreated++
      if (command.subscribe) {
        takeService(core, session, 'R')
        if (service === undefined) core.store.claim('queue', queue.rcvId)
        subscribeSession(context, queue)
      }
      return durable({
        type: 'IDS',
        rcvId: queue.rcvId,
        sndId: queue.sndId,
        srvDhKey: rcv.publicKey,
        ...(queue.queueMode && { queueMode: queue.queueMode }),
        ...(linkId && { linkId }),
        ...(service && { serviceId: service.serviceId }),
        ...(notifier && ntf && { notifier: { notifierId: notifier.notifierId, srvNtfDhKey: ntf.publicKey } }),
      })
    }
    const chosenByClient =
      link !== undefined && (taken === 'sndId' || (taken === 'linkId' && chosenLinkId !== undefined))
    if (chosenByClient) return fail({ type: 'AUTH' })
  }
  return fail({ type: 'INTERNAL' })
}

/** The sender id that a client must choose when it supplies link data: it proves that the id was made for this command. */
function senderIdOf(corrId: Buffer): SndId {
  return idFromBytes<SndId>(sha3_384(corrId).subarray(0, ID_SIZE))
}

/** Agrees on a secret with a client's key; our private key is forgotten at once. */
export function agree(clientKey: DhKey): { secret: Buffer; publicKey: DhKey } | undefined {
  const { publicKey, privateKey } = generateDhKeyPair()
  const secret = dh(privateKey, clientKey)
  return secret && { secret, publicKey }
}
