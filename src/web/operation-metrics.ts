import { Counter, Gauge, type Registry } from 'prom-client'

/** A value with its labels; not known, and left out, while the value is undefined. */
export interface Reading {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number | undefined
}

/** One metric of what an operator looks after: machine, files, limits. */
export interface OperationMetric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly read: () => readonly Reading[] | Promise<readonly Reading[]>
}

/** Adds metrics that are read whenever somebody asks for them. */
export function registerOperationMetrics(registry: Registry, metrics: readonly OperationMetric[]): void {
  for (const metric of metrics) register(registry, metric)
}

function register(registry: Registry, { name, help, type, read }: OperationMetric): void {
  const options = { name, help, registers: [registry], labelNames: ['certificate', 'limit', 'part'] }
  if (type === 'counter') {
    new Counter({
      ...options,
      async collect() {
        this.reset()
        const readings = await read()
        for (const { labels = {}, value } of readings) if (value !== undefined) this.inc(labels, value)
      },
    })
    return
  }
  new Gauge({
    ...options,
    async collect() {
      this.reset()
      const readings = await read()
      for (const { labels = {}, value } of readings) if (value !== undefined) this.set(labels, value)
    },
  })
}
