/** Leaves the fields of an outgoing IP header to the system: Best Effort, Not-ECT, its own TTL (RFC 8656 §14, alternate). */
export const OWN_HEADER = 0
/** The datagram must not go any further. */
export const EXPIRED = -1

/**
 * What the IP header of a relayed datagram takes over from the one that came, as traffic class × 256 + hop limit: DSCP and
 * ECN as they are, TTL or Hop Limit one less (RFC 8656 §14, preferred). The same from one IP family to the other and from
 * IPv6 to IPv6 (§13, RFC 7915 §4 and §5). `hopLimit` is -1 where the driver cannot know.
 *
 * Deviation: where a hop limit ends, a router would tell the sender by ICMP; without privileges the datagram is dropped and
 * counted (§13.2). Deviation: DF of what came is not visible here, so it is set where a DONT-FRAGMENT asks for it alone (§14,
 * alternate).
 */
export function relayedHeader(trafficClass: number, hopLimit: number): number {
  if (hopLimit < 0) return OWN_HEADER
  return hopLimit > 1 ? (trafficClass << 8) | (hopLimit - 1) : EXPIRED
}
