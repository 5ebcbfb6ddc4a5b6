import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AutomaticBackups, type AutomaticBackupOptions } from '../../../src/backup/automatic-backups.ts'
import type { BackupRunner, MadeReply } from '../../../src/backup/run-in-process.ts'
import { AppError } from '../../../src/errors/app-error.ts'
import type { Logger } from '../../../src/config/log.ts'
import { resolvePaths, type Paths } from '../../../src/config/paths.ts'

/* The clock and what makes a backup are the test's; files and directories are real. */

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
let root: string
let directory: string
let paths: Paths
let wall: number
let monotonic: number
let lines: string[]
let made: Date[]

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'smp-automatic-'))
  directory = join(root, 'backups')
  mkdirSync(directory)
  paths = resolvePaths({ SMP_SERVER_CFG_PATH: root, SMP_SERVER_LOG_PATH: root })
  // 13:00 in the time zone of this machine.
  wall = new Date(2026, 4, 10, 13).getTime()
  monotonic = 0
  lines = []
  made = []
})
afterEach(() => rmSync(root, { recursive: true }))

function pass(ms: number): void {
  wall += ms
  monotonic += ms
}

const log = Object.fromEntries(
  ['trace', 'debug', 'info', 'note', 'warn', 'error'].map((level) => [
    level,
    (message: string): unknown => lines.push(`${level}: ${message}`),
  ]),
) as unknown as Logger

const counts = undefined
/** Writes a file and says so. */
const write: BackupRunner = ({ file }) => {
  writeFileSync(file, `backup ${file}`, { flag: 'wx' })
  return Promise.resolve({ type: 'made', counts, size: 10 })
}

async function start(changes: Partial<AutomaticBackupOptions> = {}): Promise<AutomaticBackups> {
  return await AutomaticBackups.start({
    directory,
    schedule: '0 4 * * *',
    keep: 3,
    lock: { type: 'passphrase', file: '/none' },
    paths,
    fingerprint: 'abcdefghijklmnopqrstuvwxyz',
    log,
    run: write,
    onMade: (at) => Promise.resolve(void made.push(at)),
    now: () => new Date(wall),
    monotonicMs: () => monotonic,
    ...changes,
  })
}

const files = (): string[] => readdirSync(directory).toSorted()
const said = (what: string): string[] => lines.filter((line) => line.includes(what))

/** Looks once an hour. */
async function watch(backups: AutomaticBackups, hours: number): Promise<void> {
  for (let hour = 0; hour < hours; hour++) {
    pass(HOUR_MS)
    await backups.look()
  }
}

describe('the schedule', () => {
  it('makes the first backup at once, and then one at each scheduled time', async () => {
    const backups = await start()
    expect(said('the next one: now')).toHaveLength(1)
    await backups.look()
    expect(files()).toEqual([expect.stringMatching(/^smp-server-abcdefgh-\d{4}-\d\d-\d\dT\d{6}Z\.age$/)])
    expect(backups.status()).toMatchObject({ isRunning: false, failure: undefined, next: new Date(2026, 4, 11, 4) })
    await watch(backups, 14)
    expect(files()).toHaveLength(1)
    await watch(backups, 1)
    expect(files()).toHaveLength(2)
    await watch(backups, 23)
    expect(files()).toHaveLength(2)
    expect(made).toHaveLength(2)
    await backups.stop()
  })

  it('makes one backup for all that were missed while the relay did not run', async () => {
    await (await start()).look()
    pass(10 * HOUR_MS)
    const early = await start()
    await early.look()
    expect(files()).toHaveLength(1)
    pass(9 * DAY_MS)
    const late = await start()
    await late.look()
    await late.look()
    expect(files()).toHaveLength(2)
  })

  it('goes on when the clock was far ahead and is set back', async () => {
    const backups = await start()
    await backups.look()
    wall += 400 * DAY_MS
    await backups.look()
    expect(files()).toHaveLength(2)
    wall -= 400 * DAY_MS
    await watch(backups, 24)
    expect(files()).toHaveLength(3)
    // The same when the relay does not see it: the last backup lies in the future at its start.
    wall -= 5 * DAY_MS
    const again = await start({ keep: 9 })
    await watch(again, 24)
    expect(files()).toHaveLength(4)
  })

  it('keeps two backups apart that are made in the same second', async () => {
    await (await start()).look()
    rmSync(paths.backupList)
    await (await start()).look()
    expect(files()).toHaveLength(2)
    expect(files()[0]).toMatch(/Z-2\.age$/)
  })
})

describe('a failure', () => {
  const full: BackupRunner = () => Promise.reject(new AppError('DISK_FULL', 'The disk is full.', 'Free some space.'))

  it('is logged with its remedy, remembered, and tried again with growing pauses', async () => {
    let tries = 0
    const backups = await start({ run: (...args) => (++tries, full(...args)) })
    await backups.look()
    expect(said('error: Backup failed; trying again in 5 minutes. The disk is full. Free some space.')).toHaveLength(1)
    expect(backups.status().failure).toMatchObject({ message: 'The disk is full.', remedy: 'Free some space.' })
    for (let minute = 0; minute < 24 * 60; minute++) {
      pass(60_000)
      await backups.look()
    }
    // At once, and after 5, 15, 35, 75, 155, 315, 635, 995 and 1355 minutes.
    expect(tries).toBe(10)
    expect(files()).toEqual([])
    expect((await start()).status().failure).toMatchObject({ message: 'The disk is full.' })
  })

  it('is over with the next backup that is made', async () => {
    let run = full
    const backups = await start({ run: (...args) => run(...args) })
    await backups.look()
    run = write
    pass(5 * 60_000)
    await backups.look()
    expect(backups.status()).toMatchObject({ failure: undefined, next: new Date(2026, 4, 11, 4) })
    expect(files()).toHaveLength(1)
  })

  it('deletes no older backup', async () => {
    const backups = await start({ keep: 1 })
    await backups.look()
    const before = files()
    const failing = await start({ keep: 1, run: full })
    await watch(failing, 48)
    expect(files()).toEqual(before)
  })

  it('of the directory is said at the start already', async () => {
    rmSync(directory, { recursive: true })
    const backups = await start()
    expect(said(`error: The backup directory ${directory} does not exist.`)).toHaveLength(1)
    await backups.look()
    expect(backups.status().failure?.message).toContain('does not exist')
    expect(existsSync(directory)).toBe(false)
    writeFileSync(directory, '')
    pass(HOUR_MS)
    await backups.look()
    expect(backups.status().failure?.message).toContain('is not a directory')
  })

  it('because the relay stops is none, and the backup is due at the next start', async () => {
    const until: BackupRunner = (_request, signal) =>
      new Promise<MadeReply>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('interrupted')))
      })
    const backups = await start({ run: until })
    const looking = backups.look()
    await expect.poll(() => backups.status().isRunning).toBe(true)
    await backups.stop()
    await looking
    expect(said('failed')).toEqual([])
    const again = await start()
    expect(again.status().failure).toBeUndefined()
    await again.look()
    expect(files()).toHaveLength(1)
  })
})

describe('retention', () => {
  it('keeps the newest backups', async () => {
    const backups = await start({ keep: 3 })
    await backups.look()
    const [first] = files()
    await watch(backups, 3 * 24)
    expect(files()).toHaveLength(3)
    expect(files()).not.toContain(first)
    const fewer = await start({ keep: 1 })
    await watch(fewer, 24)
    expect(files()).toHaveLength(1)
  })

  it('goes by the order in which backups were made, whatever the clock said', async () => {
    wall += 1000 * DAY_MS
    const backups = await start({ keep: 2 })
    await backups.look()
    const [ahead] = files()
    wall -= 1000 * DAY_MS
    await watch(backups, 3 * 24)
    expect(files()).toHaveLength(2)
    expect(files()).not.toContain(ahead)
  })

  it('never deletes what the relay has not made', async () => {
    const own = 'smp-server-abcdefgh-2020-01-01T000000Z.age'
    const foreign = [
      own,
      'smp-server-zzzzzzzz-2020-01-01T000000Z.age',
      'relay.age',
      'notes.txt',
      `${own}.7-1.0123456789ab.new`,
    ]
    for (const name of foreign) writeFileSync(join(directory, name), 'x')
    mkdirSync(join(directory, 'folder.age'))
    symlinkSync('/etc/passwd', join(directory, 'link.age'))
    const before = files()
    const backups = await start({ keep: 1 })
    await watch(backups, 5 * 24)
    expect(files()).toHaveLength(before.length + 1)
    expect(files()).toEqual(expect.arrayContaining(before))
  })

  it('leaves alone what somebody has changed or put in the place of a backup', async () => {
    const backups = await start({ keep: 4 })
    await backups.look()
    await watch(backups, 3 * 24)
    const [changed = '', touched = '', linked = '', last = ''] = files()
    writeFileSync(join(directory, changed), 'something else')
    utimesSync(join(directory, touched), 1, 1)
    rmSync(join(directory, linked))
    symlinkSync('/etc/passwd', join(directory, linked))
    const fewer = await start({ keep: 1 })
    await watch(fewer, 24)
    expect(files()).toEqual(expect.arrayContaining([changed, touched, linked]))
    expect(files()).not.toContain(last)
    expect(files()).toHaveLength(4)
  })

  it('remembers backups whose disk is not mounted, and warns', async () => {
    const backups = await start({ keep: 2 })
    await backups.look()
    await watch(backups, 24)
    const away = join(root, 'away')
    renameSync(directory, away)
    mkdirSync(directory)
    await watch(backups, 24)
    expect(said('If a disk belongs there, mount it.')).toHaveLength(1)
    expect(files()).toHaveLength(1)
    rmSync(directory, { recursive: true })
    renameSync(away, directory)
    const old = files()
    await watch(backups, 24)
    expect(files()).toHaveLength(2)
    expect(files()).toContain(old[1])
    expect(files()).not.toContain(old[0])
  })

  it('of two relays in one directory touches only its own files', async () => {
    const otherPaths = resolvePaths({ SMP_SERVER_CFG_PATH: root, SMP_SERVER_LOG_PATH: join(root, 'other') })
    mkdirSync(otherPaths.stateDir)
    const one = await start({ keep: 2 })
    // The same identity, as after a restore on a second machine.
    const two = await start({ keep: 1, paths: otherPaths })
    await Promise.all([one.look(), two.look()])
    for (let day = 0; day < 4; day++) {
      pass(DAY_MS)
      await one.look()
      await two.look()
    }
    expect(files()).toHaveLength(3)
  })
})

describe('the list of backups', () => {
  it('that is damaged keeps nothing from working, and nothing is deleted because of it', async () => {
    const backups = await start({ keep: 1 })
    await backups.look()
    const before = files()
    for (const content of ['', '{', '{"format":1}', '{"format":2,"made":[]}', '\0\0']) {
      writeFileSync(paths.backupList, content)
      const again = await start({ keep: 1 })
      expect(said('cannot be read')).toHaveLength(1)
      lines = []
      pass(1000)
      await again.look()
    }
    expect(files()).toEqual(expect.arrayContaining(before))
    expect(files()).toHaveLength(6)
  })

  it('names the file that was being written when the relay was killed, and what is left of it goes', async () => {
    let left = ''
    const killed: BackupRunner = ({ file }) => {
      left = `${file}.7-1.0123456789ab.new`
      writeFileSync(left, 'half')
      writeFileSync(`${file}.other.new`, 'not ours')
      return new Promise(() => undefined)
    }
    const backups = await start({ run: killed })
    void backups.look()
    await expect.poll(() => existsSync(left)).toBe(true)
    const again = await start()
    pass(60_000)
    await again.look()
    expect(existsSync(left)).toBe(false)
    expect(files().filter((name) => name.endsWith('.other.new'))).toHaveLength(1)
    expect(files().filter((name) => name.endsWith('.age'))).toHaveLength(1)
  })

  it('takes a file for made that was complete when the relay was killed', async () => {
    const killed: BackupRunner = ({ file }) => {
      writeFileSync(file, 'whole')
      return new Promise(() => undefined)
    }
    const backups = await start({ run: killed })
    void backups.look()
    await expect.poll(() => files().length).toBe(1)
    const [first] = files()
    const again = await start({ keep: 1 })
    pass(60_000)
    await again.look()
    expect(files()).toHaveLength(1)
    expect(files()).not.toContain(first)
  })
})
