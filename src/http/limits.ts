import { BurstyRateLimiter, RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import type { HttpOptions } from './options.ts'

/** What one address may do in a minute. */
export class AddressLimits {
  readonly #newRooms: BurstyRateLimiter | null
  readonly #iceConfig: RateLimiterMemory | null

  constructor(options: Pick<HttpOptions, 'newRoomsPerMinute' | 'newRoomsBurst' | 'iceConfigPerMinute'>) {
    const { newRoomsPerMinute, newRoomsBurst, iceConfigPerMinute } = options
    this.#newRooms =
      newRoomsPerMinute === 0
        ? null
        : new BurstyRateLimiter(
            new RateLimiterMemory({ keyPrefix: 'rooms', points: newRoomsPerMinute, duration: 60 }),
            new RateLimiterMemory({
              keyPrefix: 'burst',
              points: Math.max(0, newRoomsBurst - newRoomsPerMinute),
              duration: Math.max(60, Math.ceil((newRoomsBurst / newRoomsPerMinute) * 60)),
            }),
          )
    this.#iceConfig =
      iceConfigPerMinute === 0 ? null : new RateLimiterMemory({ points: iceConfigPerMinute, duration: 60 })
  }

  /** Counts one new room of this address, or refuses it. */
  async mayOpenRoom(block: string): Promise<boolean> {
    return (await secondsUntil(this.#newRooms, block)) === 0
  }

  /** Counts one ICE document; 0, or the seconds until the next one is allowed. */
  iceConfigWait(block: string): Promise<number> {
    return secondsUntil(this.#iceConfig, block)
  }
}

async function secondsUntil(
  limiter: { consume(key: string): Promise<RateLimiterRes> } | null,
  key: string,
): Promise<number> {
  try {
    await limiter?.consume(key)
    return 0
  } catch (refused) {
    if (refused instanceof Error) throw refused
    // The limiter rejects with its state instead of an error.
    return Math.max(1, Math.ceil((refused as RateLimiterRes).msBeforeNext / 1000))
  }
}
