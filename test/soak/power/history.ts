import { idFromBytes, idToBytes, type EntityId, type RcvId } from '../../../src/protocol/ids.ts'
import type { Store } from '../../../src/store/store.ts'

/** A queue, as far as replies promise it; undefined: it does not exist. */
export interface QueueState {
  readonly isSecured: boolean
  readonly isOff: boolean
  /** Hexadecimal, as are all ids here. */
  readonly linkId: string | undefined
  readonly userData: string | undefined
  readonly notifierId: string | undefined
  /** What the bodies say; head first. */
  readonly messages: readonly string[]
}

export const NEW_QUEUE: QueueState = {
  isSecured: false,
  isOff: false,
  linkId: undefined,
  userData: undefined,
  notifierId: undefined,
  messages: [],
}

/** One command that was sent; times are nanoseconds of the monotonic clock. */
export interface Step {
  readonly name: string
  readonly sentAt: bigint
  /** When the reply that promises it was there. */
  promisedAt: bigint | undefined
  readonly apply: (state: QueueState) => QueueState | undefined
}

/** A body that says whose it is, and shows whether it is whole. */
export const bodyOf = (text: string, size: number): Buffer => Buffer.from(`${text} ${size} `.padEnd(size, '.'))

function textOf(body: Buffer): string {
  const [text = '', size] = body.toString('latin1', 0, 60).split(' ')
  return body.equals(bodyOf(text, Number(size))) ? text : `damaged: ${text}`
}

/** All that was done to one queue, in the order in which one connection asked for it. */
export class History {
  readonly steps: Step[] = []
  #rcvId: RcvId | undefined

  created(rcvId: Buffer): void {
    this.#rcvId = idFromBytes<RcvId>(rcvId)
  }

  /**
   * Looks whether the queue is as it was after some step that had been sent, and after every one that was promised.
   *
   * @param at when the power was lost
   * @throws Error when it is not
   */
  check(store: Store, at: bigint): void {
    if (this.#rcvId === undefined) return
    const found = textOfState(stateOf(store, this.#rcvId))
    const least = this.promised(at)
    const sent = this.steps.filter(({ sentAt }) => sentAt <= at)
    let state: QueueState | undefined
    if (least === 0 && found === textOfState(state)) return
    for (const [index, { apply }] of sent.entries()) {
      state = apply(state ?? NEW_QUEUE)
      if (index + 1 >= least && found === textOfState(state)) return
    }
    const names = sent.map(({ name }) => name).join(', ')
    throw new Error(`after ${names} (of which ${least} at least have to be there) a queue is ${found}`)
  }

  /** How many of its steps have to be there: all up to the last one that was promised. */
  promised(at: bigint): number {
    return this.steps.findLastIndex(({ promisedAt }) => promisedAt !== undefined && promisedAt <= at) + 1
  }
}

function stateOf(store: Store, rcvId: RcvId): QueueState | undefined {
  const queue = store.queue(rcvId)
  if (queue === undefined) return undefined
  const { senderKey, status, linkId, notifier } = queue
  const link = linkId === undefined ? undefined : store.linkData(linkId)
  return {
    isSecured: senderKey !== undefined,
    isOff: status.type === 'off',
    linkId: linkId && hex(linkId),
    userData: link?.userData.toString('latin1'),
    notifierId: notifier && hex(notifier.notifierId),
    messages: [...store.messages(rcvId)].map((message) =>
      message.type === 'message' ? textOf(message.body) : 'quota',
    ),
  }
}

const hex = (id: EntityId): string => idToBytes(id).toString('hex')

const textOfState = (state: QueueState | undefined): string => (state ? JSON.stringify(state) : 'not there')
