import type { AccountName } from '../turn/auth/account.ts'
import type { StoreAnswer } from '../turn/auth/account-cache.ts'
import { subject } from './line.ts'

/** By a thread: who is that? The main thread alone has a database to look into. */
export const ACCOUNTS = subject<never, AccountName, StoreAnswer>('accounts')

/** How long a thread waits for the main thread, which gives up on its database before. */
export const ACCOUNT_PATIENCE_MS = 5000

/** Answers the questions of threads. */
export type FindAccount = (account: AccountName, then: (answer: StoreAnswer) => void) => void
