import { clientLines, socketThreadLines } from './control-port/connection-lines.ts'
import { readServerInfo, type ServerInfo } from './control-port/server-info.ts'
import { readLive, type Observed } from './observe.ts'
import { runtimeFacts, threadsOf, type RuntimeFacts, type Thread } from './process-facts.ts'
import type { Live } from './statistics/live.ts'

/** What a process of the relay can be asked about its connections and itself. */
export interface ProcessAnswers {
  readonly live: Live
  /** The lines of `clients` after their header. */
  readonly clients: readonly string[]
  readonly socketThreads: readonly string[]
  readonly info: ServerInfo
  readonly threads: readonly Thread[]
  readonly runtime: RuntimeFacts
}

export type Question = keyof ProcessAnswers

/** Asks every process of the relay. */
export type Ask = <Q extends Question>(question: Q) => Promise<readonly ProcessAnswers[Q][]>

type Answerers = { readonly [Q in Question]: (observed: Observed) => Promise<ProcessAnswers[Q]> | ProcessAnswers[Q] }

const answerers: Answerers = {
  live: readLive,
  clients: ({ sessions, core }) => [...clientLines(sessions, core.now())],
  socketThreads: ({ sessions }) => [...socketThreadLines(sessions, process.pid)],
  info: ({ sessions, core }) => readServerInfo(sessions, core.subscriptions),
  threads: () => threadsOf(),
  runtime: runtimeFacts,
}

/** The answer of this process. */
export async function answerOf<Q extends Question>(observed: Observed, question: Q): Promise<ProcessAnswers[Q]> {
  return await answerers[question](observed)
}

export function isQuestion(text: string): text is Question {
  return text in answerers
}
