import { performance } from 'node:perf_hooks'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import type { SessionsQuestion } from '../src/turn/sessions/sessions.ts'
import { TurnWorld } from '../test/support/turn-world.ts'

// How long a relay thread pauses when an operator asks about its sessions: the work of each answer, with the copy for the main thread.

const SESSIONS = 10_000
const ROUNDS = 20
const PEERS = 4

const world = new TurnWorld({ ports: [10_000, 60_000], settings: { maxAllocationsPerAddress: 0 } })
for (let i = 0; i < SESSIONS; i++) {
  const client = world.client()
  client.allocate()
  client.permit(...Array.from({ length: PEERS }, (_, peer) => `203.0.113.${peer + 1}:0`))
}

const everybody: SessionsQuestion = { filter: {}, after: null, act: 'list', limit: 200 }
const QUESTIONS: Readonly<Record<string, SessionsQuestion>> = {
  'all, 200 at a time': everybody,
  'of a user who has none': { ...everybody, filter: { username: 'nobody' } },
  'with a peer that nobody has': { ...everybody, filter: { peer: '198.51.100.0/24' } },
  'one by its id': { ...everybody, filter: { id: [...world.server.allocations].at(-1)!.id }, act: 'show' },
}

for (const [name, question] of Object.entries(QUESTIONS)) report(name, () => pausesOf(question))
report('ended, 20 at a time', () => pausesOf({ ...everybody, act: { reason: 'operator', detail: null } }), 1)

/** Milliseconds of each answer until all have been looked at. */
function pausesOf(first: SessionsQuestion): number[] {
  const { port1, port2 } = new MessageChannel()
  const pauses: number[] = []
  for (let question: SessionsQuestion | null = first; question !== null; ) {
    const began = performance.now()
    const answer = world.server.sessions.answer(question, world.now)
    port1.postMessage(answer)
    pauses.push(performance.now() - began)
    // What nobody takes would fill the memory, and its collection be measured.
    receiveMessageOnPort(port2)
    question = answer.next === null ? null : { ...question, after: answer.next }
  }
  port2.close()
  return pauses
}

function report(name: string, pauses: () => number[], rounds = ROUNDS): void {
  const all = Array.from({ length: rounds }, pauses)
    .flat()
    .toSorted((one, other) => one - other)
  const at = (part: number) => all[Math.min(all.length - 1, Math.floor(all.length * part))]!.toFixed(3)
  process.stdout.write(`${name}: ${all.length} answers, ms: median ${at(0.5)}, 99 % ${at(0.99)}, longest ${at(1)}\n`)
}
