import type { StreamLimits } from '../../net/stream/options.ts'
import { subject } from '../../threads/line.ts'
import type { PortMemory } from '../../turn/relay-addresses/relay-ports.ts'
import type { DtlsPlan } from '../relaying/dtls.ts'
import type { TurnRun } from '../relaying/turn-options.ts'
import type { TurnPlan } from './turn-plan.ts'

/** What a relay thread is told when it begins. */
export interface ThreadPlan {
  readonly turn: TurnPlan
  readonly portMemory: PortMemory
  readonly run: TurnRun
  /** Null for none. */
  readonly dtls: DtlsPlan | null
}

/** Another plan for TURN. It is asked about: the answer says that the thread goes by it. */
export const TURN_PLAN = subject<never, Pick<ThreadPlan, 'turn' | 'portMemory'>, true>('TURN plan')
/** Other limits of TCP and TLS connections. */
export const STREAM_LIMITS = subject<StreamLimits>('stream limits')
/** Another certificate for new DTLS handshakes, and other ciphers and limits. */
export const DTLS_PLAN = subject<DtlsPlan>('DTLS plan')
