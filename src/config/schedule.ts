import * as v from 'valibot'

/*
 * When something is done again and again:
 *
 *   schedule = "hourly" / "daily" / "weekly" / "monthly"
 *            / [weekday " "] hour ":" minute             at that time, every day or week
 *            / minute hour day month weekday             as in crontab(5)
 *
 * It is read as a crontab expression of five fields, in the time zone of the machine.
 */

const WORDS: Readonly<Record<string, string>> = {
  hourly: '0 * * * *',
  daily: '0 4 * * *',
  weekly: '0 4 * * 0',
  monthly: '0 4 1 * *',
}
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
/** The least and the greatest value of each field. */
const FIELDS = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const

const ALLOWED = 'must be hourly, daily, weekly, monthly, a time such as 04:00 or sun 04:00, or five fields of crontab'

/** The five fields. */
export const schedule = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): string => {
    const fields = cronFields(dataset.value.toLowerCase())
    if (fields !== undefined) return fields
    addIssue({ message: ALLOWED })
    return NEVER
  }),
)

function cronFields(text: string): string | undefined {
  const word = WORDS[text.replace(/^@/, '')]
  if (word !== undefined) return word
  const time = /^(?:(\w+)\s+)?(?:at\s+)?(\d{1,2}):(\d{2})$/.exec(text)
  if (time) {
    const [, day, hour, minute] = time
    const weekday = day === undefined || day === 'daily' ? '*' : weekdayOf(day)
    return weekday === undefined ? undefined : valid(`${Number(minute)} ${Number(hour)} * * ${weekday}`)
  }
  return valid(text.trim().replace(/\s+/g, ' '))
}

/** `sun`, `sunday` and anything between. */
function weekdayOf(name: string): string | undefined {
  const index = WEEKDAYS.findIndex((weekday) => name.length >= 3 && weekday.startsWith(name))
  return index === -1 ? undefined : String(index)
}

function valid(expression: string): string | undefined {
  const fields = expression.split(' ')
  const isValid = fields.length === FIELDS.length && fields.every((field, n) => isField(field, FIELDS[n] ?? [0, 0]))
  return isValid ? expression : undefined
}

/** `*`, numbers and ranges, separated by commas; `*` and ranges may have a step. */
function isField(field: string, [least, greatest]: readonly [number, number]): boolean {
  return field.split(',').every((item) => {
    const parts = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(item)
    if (!parts) return false
    const [, from, to, step] = parts
    const first = Number(from ?? least)
    const last = Number(to ?? from ?? greatest)
    const isStepRight = step === undefined || (Number(step) > 0 && (from === undefined || to !== undefined))
    return least <= first && first <= last && last <= greatest && isStepRight
  })
}
