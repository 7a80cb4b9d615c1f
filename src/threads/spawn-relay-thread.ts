import { Worker, type WorkerOptions } from 'node:worker_threads'
import { relayThread } from 'virtual:relay-thread'

/**
 * The usual worker. From text that is part of the program, not from a file: one that takes another's place is of the same
 * build as the rest, even if somebody has built or installed another one meanwhile.
 */
export function spawnRelayThread(options: WorkerOptions): Worker {
  return new Worker(`'use strict'; const programUrl = ${JSON.stringify(import.meta.url)}; ${relayThread}`, {
    ...options,
    // What a packet leaves behind is dead at once: in the 48 MB that V8 would take, it only costs memory.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
    eval: true,
  })
}
