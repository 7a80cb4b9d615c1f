import { Method } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import type { Reply, SignedExchange } from '../reply.ts'
import { allocate } from './allocate.ts'
import { channelBind } from './channel-bind.ts'
import { connect } from './connect.ts'
import { connectionBind } from './connection-bind.ts'
import { createPermission } from './create-permission.ts'
import { refresh } from './refresh.ts'

/** A method that needs credentials, and what it needs besides (RFC 8656 §5). */
export type AuthenticatedMethod =
  | {
      /** A fresh stream: TCP or TLS, and no allocation on it. */
      readonly needs: 'a free 5-tuple' | 'a fresh stream'
      handle(request: StunMessage, exchange: SignedExchange, allocations: Allocations, now: number): Reply
    }
  | {
      /** The open allocation of its 5-tuple, and to be its owner. */
      readonly needs: 'its allocation'
      handle(
        request: StunMessage,
        allocation: Allocation,
        allocations: Allocations,
        now: number,
        exchange: SignedExchange,
      ): Reply
    }

export const METHODS: ReadonlyMap<number, AuthenticatedMethod> = new Map<number, AuthenticatedMethod>([
  [Method.ALLOCATE, { needs: 'a free 5-tuple', handle: allocate }],
  [Method.REFRESH, { needs: 'its allocation', handle: refresh }],
  [Method.CREATE_PERMISSION, { needs: 'its allocation', handle: createPermission }],
  [Method.CHANNEL_BIND, { needs: 'its allocation', handle: channelBind }],
  [Method.CONNECT, { needs: 'its allocation', handle: connect }],
  [Method.CONNECTION_BIND, { needs: 'a fresh stream', handle: connectionBind }],
])
