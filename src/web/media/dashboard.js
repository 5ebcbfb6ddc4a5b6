import { bytes, columns, count, duration, extremes, milliseconds, percent } from './dashboard-format.js'
import uPlot from './uplot.js'

/**
 * @typedef {import('./dashboard-format.js').Samples} Samples
 * @typedef {(value: number | null | undefined) => string} Format
 * @typedef {{ readonly label: string, readonly field: string, readonly scale?: (step: number) => number }} Line
 * @typedef {{ readonly id: string, readonly format: Format, readonly lines: readonly Line[], readonly max?: number }} Chart
 * @typedef {{ readonly ok: boolean, readonly problem?: string }} Part
 */

/** Seconds between two samples of each range, and between two looks at the relay. */
const steps = { hour: 60, day: 60, month: 1800, year: 21_600 }
const notes = {
  hour: 'Each point is a minute.',
  day: 'Each point is a minute.',
  month: 'Each point is half an hour.',
  year: 'Each point is six hours.',
}
const refreshMs = 30_000
/** Steps of axes with bytes. */
const byteSteps = Array.from({ length: 45 }, (_, power) => 2 ** power)
const plotHeight = 180

/** @param {number} step */
const perMinute = (step) => 60 / step
const toPercent = () => 100

/** @type {readonly Chart[]} */
const charts = [
  {
    id: 'messages',
    format: count,
    lines: [
      { label: 'Sent', field: 'messagesSent', scale: perMinute },
      { label: 'Received', field: 'messagesReceived', scale: perMinute },
    ],
  },
  { id: 'waiting', format: count, lines: [{ label: 'Waiting', field: 'messagesWaiting' }] },
  {
    id: 'queue-events',
    format: count,
    lines: [
      { label: 'Created', field: 'queuesCreated' },
      { label: 'Secured', field: 'queuesSecured' },
      { label: 'Deleted', field: 'queuesDeleted' },
    ],
  },
  {
    id: 'queues',
    format: count,
    lines: [
      { label: 'All', field: 'queues' },
      { label: 'Active', field: 'activeQueues' },
    ],
  },
  {
    id: 'connections',
    format: count,
    lines: [
      { label: 'Open', field: 'connections' },
      { label: 'Refused', field: 'connectionsRejected' },
    ],
  },
  { id: 'cpu', format: percent, lines: [{ label: 'Of one processor', field: 'cpu' }] },
  { id: 'memory', format: bytes, lines: [{ label: 'In use', field: 'memory' }] },
  { id: 'store', format: bytes, lines: [{ label: 'Size', field: 'store' }] },
  {
    id: 'onion',
    format: percent,
    max: 100,
    lines: [{ label: 'Reachable', field: 'onionReachable', scale: toPercent }],
  },
  { id: 'latency', format: milliseconds, lines: [{ label: 'Last check', field: 'onionLatency' }] },
  {
    id: 'proxy',
    format: count,
    lines: [
      { label: 'Not connected', field: 'proxyConnectErrors' },
      { label: 'No common version', field: 'proxyCompatErrors' },
      { label: 'Other', field: 'proxyOtherErrors' },
    ],
  },
]

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`no element ${id}`)
  return found
}

/**
 * @param {Element} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
function within(parent, selector) {
  const found = parent.querySelector(selector)
  if (!(found instanceof HTMLElement)) throw new Error(`no ${selector}`)
  return found
}

/**
 * @param {string} name
 * @param {string} [text]
 */
function create(name, text) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  return made
}

/** @param {string} name */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** @param {number} time Unix seconds */
function moment(time) {
  return new Date(time * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

/** One chart: the plot, the line of figures above it, the table below, and the cursor for mouse and keyboard. */
class ChartView {
  /** @param {Chart} chart */
  constructor(chart) {
    this.chart = chart
    this.figure = element(`chart-${chart.id}`)
    this.plot = within(this.figure, '.plot')
    this.title = element(`title-${chart.id}`).textContent ?? ''
    /** @type {number[]} */
    this.times = []
    /** @type {(number | null)[][]} */
    this.values = []
    /** @type {uPlot | undefined} */
    this.uplot = undefined
    this.plot.tabIndex = 0
    this.plot.setAttribute('role', 'slider')
    this.plot.setAttribute('aria-label', `${this.title}: point in time`)
    this.plot.addEventListener('keydown', (event) => this.moveCursor(event))
    this.plot.addEventListener('blur', () => this.uplot?.setCursor({ left: -10, top: -10 }))
    within(this.figure, 'details').addEventListener('toggle', () => this.fillTable())
  }

  /**
   * @param {Samples} samples
   * @param {number} step seconds between two of them
   */
  show(samples, step) {
    const { times, valuesOf } = columns(samples, step)
    this.times = times
    this.values = this.chart.lines.map(({ field, scale }) => valuesOf(field, scale?.(step)))
    const isEmpty = this.values.every((line) => line.every((value) => value === null))
    this.figure.hidden = isEmpty
    this.describe(times.length - 1)
    if (!isEmpty) this.draw()
    this.fillTable()
  }

  draw() {
    this.uplot?.destroy()
    const { lines, format, max } = this.chart
    const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
    this.uplot = new uPlot(
      {
        width: this.plot.clientWidth,
        height: plotHeight,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_, low, high) => [Math.min(0, low), max ?? Math.max(1, high * 1.1)] } },
        axes: [
          { ...axis },
          {
            ...axis,
            size: 72,
            values: (_, splits) => splits.map((value) => format(value)),
            ...(format === bytes && { incrs: byteSteps }),
          },
        ],
        series: [
          {},
          ...lines.map(({ label }, index) => ({
            label,
            stroke: colour(`--line-${index + 1}`),
            width: 2,
            dash: [[], [6, 3], [2, 3]][index] ?? [],
            points: { show: this.times.length < 3 },
          })),
        ],
        hooks: { setCursor: [(plot) => this.describe(plot.cursor.idx ?? this.times.length - 1)] },
      },
      [this.times, ...this.values],
      this.plot,
    )
  }

  resize() {
    this.uplot?.setSize({ width: this.plot.clientWidth, height: plotHeight })
  }

  /**
   * Writes the figures of one point in time.
   *
   * @param {number} index
   */
  describe(index) {
    const legend = within(this.figure, '.legend')
    const time = this.times[index]
    const { lines, format } = this.chart
    legend.replaceChildren(
      ...lines.map(({ label }, line) => {
        const known = extremes(this.values[line] ?? [])
        const value = time === undefined ? null : this.values[line]?.[index]
        const item = create('span')
        const mark = create('span')
        mark.className = `mark mark-${line + 1}`
        item.append(mark, `${label} ${format(value)} `, create('small', `max ${format(known?.max)}`))
        return item
      }),
      create('time', time === undefined ? '' : moment(time)),
    )
    const figures = lines.map(({ label }, line) => `${label} ${format(this.values[line]?.[index])}`).join(', ')
    this.plot.setAttribute('aria-valuemin', '0')
    this.plot.setAttribute('aria-valuemax', String(Math.max(0, this.times.length - 1)))
    this.plot.setAttribute('aria-valuenow', String(Math.max(0, index)))
    this.plot.setAttribute('aria-valuetext', time === undefined ? 'no samples yet' : `${moment(time)}: ${figures}`)
  }

  /** @param {KeyboardEvent} event */
  moveCursor(event) {
    const last = this.times.length - 1
    const at = this.uplot?.cursor.idx ?? last
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }
    const to = Object.entries(moves).find(([key]) => key === event.key)?.[1]
    const time = this.times[Math.min(last, Math.max(0, to ?? -1))]
    if (to === undefined || time === undefined || !this.uplot) return
    event.preventDefault()
    this.uplot.setCursor({ left: this.uplot.valToPos(time, 'x'), top: 0 })
  }

  fillTable() {
    const details = within(this.figure, 'details')
    const place = within(details, '.table')
    if (!(details instanceof HTMLDetailsElement) || !details.open) {
      place.replaceChildren()
      return
    }
    const { lines, format } = this.chart
    const head = create('tr')
    head.append(
      ...['Time', ...lines.map(({ label }) => label)].map((label) => {
        const cell = create('th', label)
        cell.setAttribute('scope', 'col')
        return cell
      }),
    )
    const rows = this.times.map((time, index) => {
      const row = create('tr')
      const when = create('th', moment(time))
      when.setAttribute('scope', 'row')
      row.append(when, ...this.values.map((line) => create('td', format(line[index]))))
      return row
    })
    const table = create('table')
    table.append(head, ...rows.reverse())
    place.replaceChildren(table)
  }
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
async function load(path) {
  const response = await fetch(path, { cache: 'no-store' })
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return await response.json()
}

/** @param {any} status */
function showStatus(status) {
  const { health, onion } = status
  const words = { ok: 'Everything works', degraded: 'Works, and needs attention', failing: 'Users are not served' }
  const level = /** @type {keyof typeof words} */ (health.status)
  const line = element('health')
  line.textContent = words[level]
  line.className = `health ${level}`
  /** @type {(Part | null)[]} */
  const parts = [
    health.relay,
    health.store,
    health.disk,
    health.onion,
    health.certificates.relay,
    health.certificates.web,
  ]
  const problems = parts.flatMap((part) => (part && !part.ok && part.problem ? [part.problem] : []))
  element('problems').hidden = problems.length === 0
  element('problem-list').replaceChildren(...problems.map((problem) => create('li', problem)))
  const now = Date.now()
  /** @param {string | null | undefined} time */
  const ago = (time) => (time ? `${duration((now - Date.parse(time)) / 1000)} ago` : undefined)
  const { relay, web } = health.certificates
  /** @type {[string, string | undefined][]} */
  const facts = [
    ['Version', status.version],
    ['Running for', duration((now - Date.parse(status.startedAt)) / 1000)],
    ['Address', status.address],
    ['Ports', status.ports.join(', ')],
    ['Connections', count(status.connections)],
    ['Queues', count(status.queues)],
    ['Messages waiting', count(status.messages)],
    ['Store', bytes(status.storeBytes)],
    ['Free disk', health.disk ? `${bytes(health.disk.freeBytes)} of ${bytes(health.disk.sizeBytes)}` : undefined],
    ['Relay certificate', relay ? `${count(relay.days)} days left` : undefined],
    ['Web certificate', web ? `${count(web.days)} days left` : undefined],
    ['Onion service', onion ? onionText(health.onion, onion, ago) : undefined],
    ['Last backup', ago(status.lastBackup) ?? 'none known'],
  ]
  element('facts').replaceChildren(
    ...facts.flatMap(([label, value]) => {
      if (value === undefined) return []
      const row = create('div')
      if (label === 'Address') row.className = 'wide'
      row.append(create('dt', label), create('dd', value))
      return [row]
    }),
  )
}

/**
 * @param {any} health
 * @param {any} onion
 * @param {(time: string | null) => string | undefined} ago
 */
function onionText(health, onion, ago) {
  if (health.reachable === null) return `${health.phase}, not checked yet`
  const when = ago(onion.checkedAt) ?? ''
  if (!health.reachable) return `not reachable, checked ${when}`
  const points = onion.introPoints === null ? [] : [`${onion.introPoints} introduction points`]
  const flood = onion.powEffort > 0 ? [`proof of work with effort ${onion.powEffort}`] : []
  return [`reachable in ${milliseconds(onion.latency)}, checked ${when}`, ...points, ...flood].join(', ')
}

const views = charts.map((chart) => new ChartView(chart))

function chosenRange() {
  const chosen = document.querySelector('input[name=range]:checked')
  const value = chosen instanceof HTMLInputElement ? chosen.value : 'hour'
  return /** @type {keyof typeof steps} */ (value in steps ? value : 'hour')
}

async function refresh() {
  try {
    const range = chosenRange()
    const [status, samples] = await Promise.all([load('data/status'), load(`data/samples?range=${range}`)])
    showStatus(status)
    if (range !== chosenRange()) return
    for (const view of views) view.show(samples, steps[range])
    const isEmpty = samples.times.length === 0
    element('chart-note').textContent = isEmpty ? 'The first figures come within a minute.' : notes[range]
  } catch {
    const line = element('health')
    line.textContent = 'The relay does not answer'
    line.className = 'health failing'
  }
}

for (const choice of document.querySelectorAll('input[name=range]'))
  choice.addEventListener('change', () => void refresh())
addEventListener('resize', () => views.forEach((view) => view.resize()))
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => void refresh())
setInterval(() => {
  // Who moves a cursor or reads a table is not interrupted.
  if (document.activeElement?.closest('figure') === null) void refresh()
}, refreshMs)
void refresh()
