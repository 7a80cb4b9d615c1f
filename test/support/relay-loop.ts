import { performance } from 'node:perf_hooks'
import { onTestFinished } from 'vitest'
import type { OpenDtls } from '../../src/net/dtls/endpoint.ts'
import { closeDescriptor, localAddress, openUdpDescriptor } from '../../src/net/linux/descriptors.ts'
import { openWakeUp } from '../../src/net/linux/wake-up.ts'
import { RelayLoop } from '../../src/net/relay-loop.ts'
import { Address } from '../../src/stun/address.ts'
import type { TurnSettings } from '../../src/turn/options.ts'
import { loopbackTurn } from './loopback-turn.ts'
import { silentLog } from './sockets.ts'

export interface LoopOptions {
  readonly settings?: Partial<TurnSettings>
  readonly relayHosts?: string[]
  readonly dtls?: OpenDtls
  readonly clock?: () => number
  /** What has happened to the listening descriptor before. */
  readonly before?: (fd: number) => void
}

/** The loop of a relaying thread, in this thread, with its turns between those of the event loop; closed when the test ends. */
export function startRelayLoop(host: string, { settings, relayHosts, dtls, clock, before }: LoopOptions = {}) {
  const wakeUp = openWakeUp()
  const fd = openUdpDescriptor(Address.parse(host)!, { bufferSize: 1 << 20, reusePort: false })
  const loop = new RelayLoop(
    {
      ...{ wakeUp, dtls: dtls ?? null, streams: null, bufferSize: 1 << 20, log: silentLog },
      ...{ onWake: () => {}, onDescriptor: () => {} },
      mayTell: () => 'now',
      clock: clock ?? (() => performance.now()),
    },
    (effects) => loopbackTurn(effects, settings, relayHosts),
  )
  before?.(fd)
  loop.driver.plane.listen(0, fd)
  let isOver = false
  const turn = () => {
    if (isOver) return
    loop.run()
    setImmediate(turn)
  }
  turn()
  onTestFinished(async () => {
    isOver = true
    await loop.driver.close()
    for (const descriptor of [fd, wakeUp]) closeDescriptor(descriptor)
  })
  return { loop, address: localAddress(fd) }
}
