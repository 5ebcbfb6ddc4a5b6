import * as v from 'valibot'
import { iniChange } from '../../config/ini-edit.ts'

/*
 * What the journal keeps of each kind of change. Entries name things, not paths: whoever may write the journal must not
 * thereby make root change other files.
 */

const entry = v.variant('type', [
  /** `onion.key` was not there before. */
  v.object({ type: v.literal('key') }),

  /** `onion.json`, with its content before; `null`: there was none. */
  v.object({ type: v.literal('record'), before: v.nullable(v.string()) }),

  /** A key was put into the HiddenServiceDir of a tor of the system. */
  v.object({ type: v.literal('service-key'), name: v.string() }),

  iniChange,

  /** Debian's tor instance with its user; and which of the directories above it were not there. */
  v.object({
    type: v.literal('instance'),
    name: v.string(),
    parents: v.array(v.picklist(['/etc/tor/instances', '/var/lib/tor-instances'])),
  }),

  /** The torrc of a tor of the system, with its content before; `null`: there was none. */
  v.object({ type: v.literal('torrc'), name: v.string(), before: v.nullable(v.string()) }),

  /** The relay's user joined the group of a tor instance. */
  v.object({ type: v.literal('member'), name: v.string(), user: v.string() }),

  /** A unit that did not run before. One that ran is restarted when its torrc is reverted. */
  v.object({ type: v.literal('unit'), name: v.string() }),

  /** The service was added to a tor of the system, which has it until its restart. */
  v.object({ type: v.literal('service'), name: v.string() }),

  /** Lines of a service in a torrc became comments; the paths only say where to look for them. */
  v.object({ type: v.literal('adopted'), torrc: v.string(), file: v.string() }),
])

export type JournalEntry = v.InferOutput<typeof entry>

export const journalSchema = v.object({
  version: v.literal(2),
  /** A setup has begun and not ended; so many entries at the end are its own. */
  unfinished: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  changes: v.array(entry),
})

export type Journal = v.InferOutput<typeof journalSchema>
