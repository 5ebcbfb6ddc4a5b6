import { markup, type Markup } from '../markup.ts'

/** What the browser may load: everything from the relay itself. */
export const DASHBOARD_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const RANGES = [
  ['hour', 'Hour'],
  ['day', 'Day'],
  ['month', '30 days'],
  ['year', 'Year'],
] as const

/** The charts, with the ids under which media/dashboard.js finds them. */
const CHARTS = [
  ['messages', 'Messages per minute'],
  ['waiting', 'Messages waiting'],
  ['queue-events', 'Queues created, secured, deleted'],
  ['queues', 'Queues and active queues'],
  ['connections', 'Connections'],
  ['cpu', 'CPU'],
  ['memory', 'Memory'],
  ['store', 'Store on disk'],
  ['onion', 'Onion service reachable'],
  ['latency', 'Onion service latency'],
  ['proxy', 'Proxy errors'],
] as const

/** The whole page; media/dashboard.js fills it. */
export function dashboardPage(): string {
  return page().text
}

function page(): Markup {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>SimpleX relay: dashboard</title>
<link rel="icon" type="image/svg+xml" href="/media/icon.svg">
<link rel="stylesheet" href="/media/uplot.css">
<link rel="stylesheet" href="/media/dashboard.css">
<script type="module" src="/media/dashboard.js"></script>
</head>
<body>
<header>
<h1>SimpleX relay</h1>
<p id="health" class="health" role="status">Loading …</p>
</header>
<main>
<noscript><p class="problem">This page needs JavaScript. <code>smp-server status</code> shows the same in a terminal.</p></noscript>
<section aria-labelledby="problems-title" id="problems" hidden>
<h2 id="problems-title">Needs attention</h2>
<ul id="problem-list"></ul>
</section>
<section aria-labelledby="status-title">
<h2 id="status-title">Status</h2>
<dl id="facts"></dl>
</section>
<section aria-labelledby="charts-title" id="charts">
<div class="bar">
<h2 id="charts-title">Charts</h2>
<fieldset>
<legend class="hidden">Time shown</legend>
${RANGES.map(([value, label]) => rangeChoice(value, label))}</fieldset>
</div>
<p id="chart-note" class="note" role="status"></p>
<div class="grid">
${CHARTS.map(([id, title]) => chart(id, title))}</div>
</section>
</main>
<footer><p>Sums over all queues and users. Nothing here is loaded from other servers.</p></footer>
</body>
</html>
`
}

function rangeChoice(value: string, label: string): Markup {
  const checked = value === 'hour' && markup` checked`
  return markup`<label><input type="radio" name="range" value="${value}"${checked || undefined}><span>${label}</span></label>
`
}

function chart(id: string, title: string): Markup {
  return markup`<figure id="chart-${id}">
<figcaption><h3 id="title-${id}">${title}</h3><p class="legend"></p></figcaption>
<div class="plot"></div>
<details><summary>Table<span class="hidden"> of ${title}</span></summary><div class="table" tabindex="0" role="region" aria-label="Table of ${title}"></div></details>
</figure>
`
}
