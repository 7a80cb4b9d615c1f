const NEEDED = [20, 20, 2] as const

/** The newest LTS line: what we tell people to install. */
export const RECOMMENDED_NODE = 26

/** What is wrong with running on this version of Node; `fatal` when it must not start. Null when nothing is. */
export function nodeComplaint(version: string): { readonly message: string; readonly fatal: boolean } | null {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const isTooOld =
    major < NEEDED[0] || (major === NEEDED[0] && (minor < NEEDED[1] || (minor === NEEDED[1] && patch < NEEDED[2])))
  if (isTooOld)
    return {
      message: `needs Node ${NEEDED.join('.')} or later, and this is ${version}; install Node ${RECOMMENDED_NODE}`,
      fatal: true,
    }
  if (major === 20)
    return {
      message: `Node 20 has had no security fixes since 2026-04-30; install Node ${RECOMMENDED_NODE}`,
      fatal: false,
    }
  return null
}
