import { type RelayEcho, relayEcho } from '../client/relay-echo.ts'
import type { Wire } from '../client/wire.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import { type Finding, failure, ok, warning } from './finding.ts'
import { cannotProbe, label, ms, type Target, troubleFinding } from './stun.ts'

/** Two allocations that relay to each other, over one transport; `as` is added to the subject where several log in. */
export async function relayFinding(wire: Wire, target: Target, login: Credentials | null, as = ''): Promise<Finding> {
  const subject = `TURN ${label(target)}${as}`
  const unable = cannotProbe(subject, target)
  if (unable !== null) return unable
  try {
    return relayVerdict(subject, await relayEcho(wire, { ...target, login, family: target.server.family }))
  } catch (error) {
    return await troubleFinding(subject, error, { ...target, login })
  }
}

/** More than every fifth packet lost is heard in a call. */
const MUCH_LOSS = 0.2

export function relayVerdict(
  subject: string,
  { relayed, sent, returned, roundTripMs, allocateMs }: RelayEcho,
): Finding {
  const lost = sent - returned
  const text = `relays from ${relayed[0]}, echo both ways in ${ms(roundTripMs)} (Allocate ${ms(allocateMs)}), ${lost} of ${sent} packets lost`
  if (lost === 0) return ok(subject, text)
  const fix = 'look for a full link, a rate limit (max-pps, max-bps) or a busy machine on the way; run it again'
  return lost / sent > MUCH_LOSS ? failure(subject, text, fix) : warning(subject, text, fix)
}
