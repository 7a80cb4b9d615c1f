import { turnAddresses } from '../../src/start/addresses.ts'
import { turnPlan } from '../../src/start/plan/turn-plan.ts'
import type { TurnSettings } from '../../src/turn/options.ts'
import { defaultConfig } from './default-config.ts'

/** Of a TURN server whose driver knows no DONT-FRAGMENT, like those of most tests. */
export const defaultSettings: TurnSettings = {
  ...turnPlan(defaultConfig, turnAddresses(defaultConfig)).settings,
  dontFragment: false,
}
