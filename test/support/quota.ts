import { randomBytes } from 'node:crypto'
import { Quota, type QuotaLimits, quotaMemory } from '../../src/turn/limits/quota.ts'

/** Of a server with one thread. */
export function quotaOf(limits: Partial<QuotaLimits> = {}, ports = 2000): Quota {
  return new Quota(quotaMemory({ user: 0, total: 0, bytesPerSecond: 0, ...limits }, { threads: 1, ports }, randomBytes))
}
