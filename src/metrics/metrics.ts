import type { Registry } from 'prom-client'
import { coturnMetrics } from './coturn.ts'
import { networkMetrics } from './network.ts'
import { programMetrics } from './program.ts'
import { roomMetrics } from './rooms.ts'
import type { MetricSources, Scrape } from './sources.ts'
import type { Metric } from './table.ts'
import { turnMetrics } from './turn.ts'

const METRICS: readonly Metric[] = [
  ...programMetrics,
  ...roomMetrics,
  ...turnMetrics,
  ...networkMetrics,
  ...coturnMetrics,
]

const NOTHING: MetricSources = { turn: null, web: null, hub: null, errors: null, log: null, reloads: null }

/** What /metrics shows. */
export class Metrics {
  #sources = NOTHING
  #scrape: Scrape = { ...NOTHING, readings: null }
  #registry: Promise<Registry> | null = null

  /** The parts to read, once they run. */
  watch(sources: MetricSources): void {
    this.#sources = sources
  }

  async text(): Promise<{ contentType: string; body: string }> {
    this.#registry ??= this.#register()
    const registry = await this.#registry
    this.#scrape = { ...this.#sources, readings: this.#sources.turn?.readings() ?? null }
    return { contentType: registry.contentType, body: await registry.metrics() }
  }

  /** On the first scrape: most servers are never asked. */
  async #register(): Promise<Registry> {
    const { collectDefaultMetrics, Counter, Gauge, Registry } = await import('prom-client')
    const registry = new Registry()
    for (const { name, help, type, labels, read } of METRICS) {
      const labelNames = labels.length > 0 ? labels : NO_LABELS
      const Kind = type === 'gauge' ? Gauge : Counter
      const metric = new Kind({
        ...{ name, help, labelNames, registers: [registry] },
        collect: () => {
          metric.reset()
          for (const [values, value] of read(this.#scrape)) {
            metric.inc(Object.fromEntries(values.map((label, i) => [labels[i]!, label])), value)
          }
        },
      })
    }
    // Node's own, which wake this thread a hundred times a second to watch the event loop.
    collectDefaultMetrics({ register: registry })
    return registry
  }
}

/** What is declared without labels prom-client shows as 0 even where there is nothing to read. */
const NO_LABELS = ['none']
