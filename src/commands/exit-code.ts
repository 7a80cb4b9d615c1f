/** What the process ends with; 78 and 70 are EX_CONFIG and EX_SOFTWARE of sysexits(3). */
export const ExitCode = {
  OK: 0,
  FAILED: 1,
  USAGE: 2,
  BUG: 70,
  CONFIG: 78,
} as const
