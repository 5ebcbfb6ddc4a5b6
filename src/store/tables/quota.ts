export interface QueueRoom {
  /** False after a quota marker was written, until the queue is empty again. */
  readonly canWrite: boolean
  /** Entries in the queue, the marker included. */
  readonly size: number
}

/**
 * What a SEND to a queue appends: the message, a quota marker in its place, or nothing.
 * A queue holds up to `quota` messages and one marker; the marker closes it until it has been emptied.
 */
export function admission(room: QueueRoom, quota: number): 'message' | 'marker' | 'nothing' {
  if (!room.canWrite && room.size > 0) return 'nothing'
  return room.size < quota ? 'message' : 'marker'
}
