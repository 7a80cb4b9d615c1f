import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { ExitCode } from './exit-code.ts'
import type { Terminal } from './terminal.ts'

/** Writes a small configuration with a fresh secret, readable by its owner alone. An existing file is left as it is. */
export function init(path: string, terminal: Terminal): number {
  try {
    writeFileSync(path, content(randomBytes(32).toString('base64url')), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    terminal.err(
      code === 'EEXIST'
        ? `${path} exists and stays as it is; move it away, or name another file with -c`
        : `${path} cannot be written (${code}); name another file with -c`,
    )
    return ExitCode.FAILED
  }
  terminal.out(
    `Wrote ${path} with a fresh secret. Next: set realm, cert and pkey there, then webrtc-stack serve -c ${path}`,
  )
  return ExitCode.OK
}

function content(secret: string): string {
  return `# Written by webrtc-stack init. All options: webrtc-stack --help-all, or turnserver.conf.example

# The secret that TURN credentials are made of. Whoever has it can relay: keep it to yourself.
static-auth-secret=${secret}

# The servers to run: the call page with its rooms, signaling for it, STUN and TURN.
rooms=on
signaling=on
turn=on

# Your domain.
#realm=example.org

# Browsers let pages use cameras over HTTPS only (and on localhost). Best with an ECDSA key, as certbot makes it:
# TLS handshakes cost less than with RSA.
#cert=/etc/letsencrypt/live/call.example.org/fullchain.pem
#pkey=/etc/letsencrypt/live/call.example.org/privkey.pem

# Behind NAT, as on most cloud machines: PUBLIC/PRIVATE.
#external-ip=203.0.113.7/10.0.0.7

# The firewall must let UDP through to this range.
#min-port=49152
#max-port=65535
`
}
