import type { NetOptions } from '../../src/net/portable-turn.ts'
import { netOptions } from '../../src/start/plan/net-options.ts'
import { defaultConfig } from './default-config.ts'
import { handshakesAlone } from './handshakes.ts'

/** Of a driver that listens nowhere. */
export const defaultNet: NetOptions = {
  ...netOptions(defaultConfig, null, false),
  udp: [],
  streams: [],
  dtls: null,
  // One for all drivers of a test file, so without a limit in time.
  handshakes: handshakesAlone({ perSecond: 0 }),
}
