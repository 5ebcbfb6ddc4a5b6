import { Cron } from 'croner'

/** The times of a schedule, in the time zone of the machine. */
export class Timetable {
  readonly #cron: Cron

  /** @param schedule five fields of a crontab, valid */
  constructor(schedule: string) {
    this.#cron = new Cron(schedule, { paused: true, mode: '5-part' })
  }

  /** The first time after another one; undefined when none ever comes (31 February). */
  after(time: Date): Date | undefined {
    return this.#cron.nextRun(time) ?? undefined
  }
}
