import { appendFileSync, cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { idToBase64url } from '../../../../src/protocol/ids.ts'
import { journalMessages } from '../../../../src/store/upstream/journal.ts'

const queue = 'eP_J-ObhQglj3LuGEToqWDy0gOK_nAPe'
const sample = join(
  import.meta.dirname,
  '../../../samples/upstream/journal/messages/eP/_J/-O/bh/Qglj3LuGEToqWDy0gOK_nAPe',
)
const journal = 'zTq1bujpnGvuLfdB'

let root: string
let home: string
let state: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'journal-'))
  home = join(root, 'eP/_J/-O/bh/Qglj3LuGEToqWDy0gOK_nAPe')
  cpSync(sample, home, { recursive: true })
  state = join(home, `queue_state.${queue}.log`)
})
afterEach(() => rmSync(root, { recursive: true }))

async function bodies(): Promise<string[]> {
  const texts: string[] = []
  for await (const { rcvId, message } of journalMessages(root)) {
    expect(idToBase64url(rcvId)).toBe(queue)
    texts.push(message.type === 'message' ? message.body.toString() : 'quota')
  }
  return texts
}

it('gives the messages of a queue in their order', async () => {
  expect(await bodies()).toEqual(['hello 1', 'hello 2', 'hello 3 with notification'])
})

it('leaves out what was delivered already', async () => {
  appendFileSync(state, `write=${journal},3,3,219,219 read=${journal},1,3,65,219 canWrite=T size=2\n`)
  expect(await bodies()).toEqual(['hello 2', 'hello 3 with notification'])
})

it('leaves out what stands behind the recorded end, and a state that is cut off', async () => {
  appendFileSync(join(home, `messages.${journal}.log`), 'W-bXc30cDya-ffDsVv')
  appendFileSync(state, `write=${journal},4,4,300`)
  expect(await bodies()).toEqual(['hello 1', 'hello 2', 'hello 3 with notification'])
})

it('goes on from the journal that is read to the one that is written', async () => {
  writeFileSync(
    join(home, 'messages.AAAAAAAAAAAAAAAA.log'),
    'sNG0N12Qvf9a42MXTHnxi3QN9p06GGqD 1795386091 flags=F eA==\n',
  )
  appendFileSync(state, `write=AAAAAAAAAAAAAAAA,1,1,57,57 read=${journal},2,3,130,219 canWrite=T size=2\n`)
  expect(await bodies()).toEqual(['hello 3 with notification', 'x'])
})

it('has nothing for a queue whose journal was removed because it was empty', async () => {
  appendFileSync(state, `write=${journal},3,3,219,219 read=${journal},3,3,219,219 canWrite=T size=0\n`)
  rmSync(join(home, `messages.${journal}.log`))
  expect(await bodies()).toEqual([])
})

it('refuses a journal that is shorter than recorded, and a state of which no line is whole', async () => {
  truncateSync(join(home, `messages.${journal}.log`), 218)
  await expect(bodies()).rejects.toMatchObject({ code: 'UPSTREAM_FILE' })
  writeFileSync(state, 'write=\n')
  await expect(bodies()).rejects.toThrow(`${state} is damaged.`)
  expect(readdirSync(home)).toHaveLength(2)
})
