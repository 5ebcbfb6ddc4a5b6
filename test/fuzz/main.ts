import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import sodium from 'sodium-native'
import { useSecretbox } from '../client/box.ts'
import { FuzzFailure, fuzzSessions, fuzzTarget } from './run.ts'
import { readSeeds } from './seeds.ts'
import { targetsFor } from './targets.ts'

const USAGE = `npm run fuzz -- [options]
  --seed N      of everything random (default: 1)
  --inputs N    for the pure functions, all together (default: 2000000)
  --blocks N    for the sessions of a relay in memory (default: 40000)
  --only NAME   one function alone, or "sessions"
  --from N      number of the first input of each function (default: 0)`

/** Memory that may be in use at the end beyond what was in use at the beginning. */
const GROWTH = 48 * 1024 * 1024
/** Longest time that anything may take; less is noticed by the input itself. */
const WATCH_MS = 15_000
/** Inputs of one function before the next has its turn. */
const TURN = 5000

const option = { type: 'string' } as const
const { values } = parseArgs({
  options: { seed: option, inputs: option, blocks: option, only: option, from: option, help: { type: 'boolean' } },
})
if (values.help === true) {
  console.log(USAGE)
  process.exit(0)
}
const number = (text: string | undefined, otherwise: number): number => {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`not a number: ${text}`)
  return value
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
/** Bytes in use once everything that can be freed is. */
const inUse = (): number => {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
const mb = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`

useSecretbox({
  seal: (key, nonce, plain) => {
    const box = Buffer.allocUnsafe(plain.length + 16)
    sodium.crypto_secretbox_easy(box, plain, nonce, key)
    return box
  },
  open: (key, nonce, box) => {
    const plain = Buffer.allocUnsafe(box.length - 16)
    if (!sodium.crypto_secretbox_open_easy(plain, box, nonce, key)) throw new Error('a box does not open')
    return plain
  },
})

/**
 * Ends the process when one input is worked on for too long: a loop without end can be noticed only from another
 * thread. The function returned is told what is worked on.
 */
const startWatch = (seed: number): ((name: string) => (index: number) => void) => {
  const current = new Int32Array(new SharedArrayBuffer(8))
  const worker = new Worker(
    `const { workerData: current, parentPort } = require('node:worker_threads')
     let name = '', before = -1
     parentPort.on('message', (next) => { name = next })
     setInterval(() => {
       const now = Atomics.load(current, 1)
       if (now === before) {
         const where = name + ' --seed ${seed} --from ' + Atomics.load(current, 0)
         require('node:fs').writeSync(2, 'no end after ${WATCH_MS} ms: --only ' + where + String.fromCharCode(10))
         process.kill(process.pid, 'SIGKILL')
       }
       before = now
     }, ${WATCH_MS})`,
    { eval: true, workerData: current },
  )
  worker.unref()
  return (name) => {
    worker.postMessage(name)
    return (index) => {
      current[0] = index
      current[1] = (current[1] ?? 0) + 1
    }
  }
}

const report = (name: string, inputs: number, ms: number): void => {
  const rate = Math.round(inputs / (ms / 1000)).toLocaleString('en')
  console.log(`${name.padEnd(22)} ${inputs.toLocaleString('en').padStart(9)} inputs ${rate.padStart(9)}/s`)
}

const main = async (): Promise<void> => {
  const seed = number(values.seed, 1)
  const from = number(values.from, 0)
  const seeds = readSeeds()
  const all = targetsFor(seeds)
  const targets = all.filter(({ name }) => values.only === undefined || values.only === name)
  const withSessions = values.only === undefined || values.only === 'sessions'
  if (targets.length === 0 && !withSessions)
    throw new Error(`--only takes one of: ${[...all.map(({ name }) => name), 'sessions'].join(', ')}`)
  console.log(`seed ${seed}`)
  const began = performance.now()
  let total = 0
  const watch = startWatch(seed)

  const weights = targets.reduce((sum, { weight }) => sum + weight, 0)
  for (const target of targets) fuzzTarget(target, seed, from, Math.min(TURN, number(values.inputs, TURN)))
  const before = inUse()
  for (const target of targets) {
    const count = Math.ceil((number(values.inputs, 2_000_000) * target.weight) / weights)
    const start = performance.now()
    const begin = watch(`'${target.name}'`)
    for (let done = 0; done < count; done += TURN) {
      fuzzTarget(target, seed, from + done, Math.min(TURN, count - done), begin)
      await new Promise((resolve) => setImmediate(resolve))
    }
    report(target.name, count, performance.now() - start)
    total += count
  }
  if (withSessions) {
    const count = number(values.blocks, 40_000)
    const start = performance.now()
    const answers = await fuzzSessions(seeds, seed, count, watch('sessions'))
    report('sessions', count, performance.now() - start)
    total += count
    const words = [...answers].sort(([, one], [, other]) => other - one)
    console.log(`  answers: ${words.map(([word, times]) => `${word} ${times}`).join(', ')}`)
  }
  const growth = inUse() - before
  const ms = performance.now() - began
  report('all', total, ms)
  console.log(`${(ms / 1000).toFixed(1)} s, memory in use: ${mb(before)} before, ${mb(before + growth)} after`)
  if (growth > GROWTH) throw new FuzzFailure(`memory grew by ${mb(growth)}`)
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error instanceof FuzzFailure ? error.message : error)
  if (error instanceof FuzzFailure && error.cause !== undefined) console.error(error.cause)
  process.exit(1)
}
