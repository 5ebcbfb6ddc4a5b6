import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openLmdbStore, Snapshot } from '../../../src/store/lmdb.ts'
import { aMessage, aQueue, msgId, rcvId } from './fixtures.ts'

// Run by durability tests as a process of its own.
//   burst DIR START: adds queues START, START+1, … with two messages each, of which one is deleted again, and prints
//     the number of each one whose effects were promised to be durable, until it is killed.
//   promise DIR: adds 300 queues as `burst` does and ends; each promise is a line of the file `promises` two levels above DIR.
//   write DIR: adds one queue and ends.
//   copy DIR: pins a snapshot until it is killed; prints `pinned`, or the error.
//   open DIR: opens the store and keeps it open until it is killed; prints `open`, or the error.

const [command, directory = '', start = '0'] = process.argv.slice(2)

try {
  if (command === 'copy') {
    await Snapshot.open(directory)
    process.stdout.write('pinned\n')
    process.stdin.resume()
    await new Promise(() => undefined)
  }
  const store = openLmdbStore(directory, { quota: 128 })
  process.stdout.write('open\n')
  if (command === 'promise') {
    const promises = openSync(join(directory, '../../promises'), 'a')
    for (let n = 1; n <= 300; n++) {
      store.addQueue(aQueue(n))
      for (const id of [2 * n, 2 * n + 1]) store.writeMessage(rcvId(n), aMessage(id, { body: Buffer.alloc(5000, n) }))
      if (n % 3 === 0) await store.flushed()
      store.deleteFirstMessage(rcvId(n), msgId(2 * n))
      const kept = store.flushed().then(() => writeSync(promises, `${n}\n`))
      if (n % 4 === 0) await kept
    }
    await store.flushed()
    process.exit(0)
  }
  if (command === 'write') {
    store.addQueue(aQueue(1_000_000))
    await store.flushed()
    process.exit(0)
  }
  if (command === 'burst') {
    for (let n = Number(start); ; n++) {
      store.addQueue(aQueue(n))
      store.writeMessage(rcvId(n), aMessage(2 * n))
      store.writeMessage(rcvId(n), aMessage(2 * n + 1))
      store.deleteFirstMessage(rcvId(n), msgId(2 * n))
      const kept = store.flushed()
      void kept.then(() => process.stdout.write(`${n}\n`))
      if (n % 20 === 0) await kept
    }
  }
  process.stdin.resume()
} catch (error) {
  process.stdout.write(`${String(error)}\n`)
}
