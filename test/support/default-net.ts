import { netOptions } from '../../src/start/plan/net-options.ts'
import { defaultConfig } from './default-config.ts'

/** Of a driver that listens nowhere. */
export const defaultNet = { ...netOptions(defaultConfig, null, null), udp: [], streams: [] }
