/** Time that moves only when told to: monotonic milliseconds for lifetimes, wall time for nonces and REST names. */
export class Clock {
  now = 1_000_000
  wall = Date.UTC(2026, 0, 1)

  advance(milliseconds: number): void {
    this.now += milliseconds
    this.wall += milliseconds
  }

  advanceSeconds(seconds: number): void {
    this.advance(seconds * 1000)
  }
}
