import { type Config, optionNames, optionOf } from '../../src/config/options.ts'
import {
  connectionLimits,
  handshakeLimits,
  httpOptions,
  listenerOptions,
  roomsOptions,
  signalingOptions,
  socketLimits,
} from '../../src/start/plan/web-options.ts'

/** What the option table says where an operator says nothing: every key of it is there. */
export const defaultConfig: Config = Object.fromEntries(
  optionNames.map((name) => [name, optionOf(name).default]),
) as unknown as Config

export const defaultRooms = roomsOptions(defaultConfig)
export const defaultSignaling = signalingOptions(defaultConfig)
export const defaultHttp = httpOptions(defaultConfig, false)
export const defaultConnections = connectionLimits(defaultConfig)
export const defaultHandshakes = handshakeLimits(defaultConfig)
export const defaultSockets = socketLimits(defaultConfig)
export const defaultListener = listenerOptions(defaultConfig)
