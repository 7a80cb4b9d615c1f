import type { DtlsIdentity } from '../../net/dtls/identity.ts'
import { subject } from '../../threads/line.ts'
import type { DtlsPlan } from '../dtls.ts'
import type { PeerPlan, TurnPlan } from './turn-plan.ts'

/** What a relay thread is told when it begins. */
export interface ThreadPlan {
  readonly turn: TurnPlan
  /** Null for none. */
  readonly dtls: DtlsPlan | null
}

/** Other rules about peers, from the next packet on. */
export const PEER_RULES = subject<PeerPlan>('peer rules')
/** Another certificate for new DTLS handshakes. */
export const DTLS_IDENTITY = subject<DtlsIdentity>('DTLS identity')
