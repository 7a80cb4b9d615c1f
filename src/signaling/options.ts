import type { AmountLimits } from '../rooms/source-shares.ts'

/** Limits and times of the WebSocket hub. A limit of 0 is no limit, a time of 0 never ends. */
export interface SignalingOptions {
  /** `max-frame-bytes`: a larger WebSocket message closes the socket with 1009. */
  readonly maxFrameBytes: number
  /** `websocket-ping-seconds`: two pings without an answer end the socket. */
  readonly pingSeconds: number
  /** `websocket-register-timeout-seconds`: a socket must say who it is within this time. */
  readonly registerTimeoutSeconds: number
  /** `websocket-message-burst`: messages one socket may send at full speed. */
  readonly messageBurst: number
  /** `websocket-messages-per-second`: what it may send after that; its reads are paused meanwhile. */
  readonly messagesPerSecond: number
  /** `max-websocket-unread-bytes`: a receiver with more than this waiting is closed. */
  readonly maxUnreadBytes: number
  /** `max-waiting-bytes`, `max-waiting-bytes-per-address`: what all receivers together have not read. */
  readonly unreadBytes: AmountLimits
  /** `allow-origin`: the only origins that may open a socket; empty lets every one in, and none at all. */
  readonly allowOrigins: readonly string[]
}
