import { ErrorCode, Method } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import { type Reply, refuse, type SignedExchange } from '../reply.ts'
import { allocate } from './allocate.ts'
import { channelBind } from './channel-bind.ts'
import { createPermission } from './create-permission.ts'
import { refresh } from './refresh.ts'

/** A method that needs credentials, and what it needs besides (RFC 8656 §5). */
export type AuthenticatedMethod =
  | {
      readonly needs: 'nothing' | 'a free 5-tuple'
      handle(request: StunMessage, exchange: SignedExchange, allocations: Allocations, now: number): Reply
    }
  | {
      /** The open allocation of its 5-tuple, and to be its owner. */
      readonly needs: 'its allocation'
      handle(request: StunMessage, allocation: Allocation, allocations: Allocations, now: number): Reply
    }

export const METHODS: ReadonlyMap<number, AuthenticatedMethod> = new Map<number, AuthenticatedMethod>([
  [Method.ALLOCATE, { needs: 'a free 5-tuple', handle: allocate }],
  [Method.REFRESH, { needs: 'its allocation', handle: refresh }],
  [Method.CREATE_PERMISSION, { needs: 'its allocation', handle: createPermission }],
  [Method.CHANNEL_BIND, { needs: 'its allocation', handle: channelBind }],
  // RFC 6062 §5.2 and §5.4, as long as there are no TCP allocations.
  [
    Method.CONNECT,
    { needs: 'its allocation', handle: () => refuse(ErrorCode.FORBIDDEN, 'Connect on a UDP allocation') },
  ],
  [Method.CONNECTION_BIND, { needs: 'nothing', handle: () => refuse(ErrorCode.BAD_REQUEST, 'no such connection') }],
])
