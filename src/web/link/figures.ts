import type { Sample } from './sampler.ts'

/** What a person can read of one second of a connection. */
export interface Figures {
  /** Monotonic milliseconds. */
  readonly at: number
  readonly receivedKbps: number
  readonly sentKbps: number
  /** Of what came and what went, the worse. */
  readonly lossPercent: number
  readonly roundTripMs: number | null
  readonly jitterMs: number | null
}

/** One for each second between two samples. */
export function figuresOf(samples: readonly Sample[]): Figures[] {
  return samples.slice(1).map((sample, index) => between(samples[index]!, sample))
}

function between(before: Sample, now: Sample): Figures {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000)
  // A connection that begins anew counts from 0 again.
  const more = (after: number, earlier: number) => Math.max(0, after - earlier)
  const kbps = (after: number, earlier: number) => Math.round((more(after, earlier) * 8) / seconds / 1000)
  const loss = (way: 'incoming' | 'outgoing') => {
    const lost = more(now[way].lost, before[way].lost)
    const arrived = more(now[way].packets, before[way].packets)
    // The receiver counts what it lost; the sender's packets hold them already.
    const all = way === 'incoming' ? arrived + lost : Math.max(arrived, lost)
    return all === 0 ? 0 : (100 * lost) / all
  }
  return {
    at: now.at,
    receivedKbps: kbps(now.incoming.bytes, before.incoming.bytes),
    sentKbps: kbps(now.outgoing.bytes, before.outgoing.bytes),
    lossPercent: Math.round(10 * Math.max(loss('incoming'), loss('outgoing'))) / 10,
    roundTripMs: now.roundTripMs,
    jitterMs: now.jitterMs,
  }
}
