import { existsSync } from 'node:fs'
import type { Config } from '../config/options.ts'
import { linuxSupport } from '../net/linux/system-calls.ts'
import { dtlsSupport } from '../net/openssl/openssl.ts'
import { type Finding, ok, warning } from './finding.ts'
import { isRunning, readOr } from './owners.ts'

/** Limits of the system that calls run into, as numbers; null for what this system does not tell. */
export interface Limits {
  /** Open descriptors that the server may have. */
  readonly descriptors: number | null
  readonly receiveBufferMax: number | null
  readonly conntrack: { readonly count: number; readonly max: number } | null
}

/** Of the running server, or of a program started like this one. */
export function readLimits(pid: number | null): Limits {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readOr(`/proc/${pid ?? 'self'}/limits`, '')) ?? []
  const count = numberIn('/proc/sys/net/netfilter/nf_conntrack_count')
  const max = numberIn('/proc/sys/net/netfilter/nf_conntrack_max')
  return {
    descriptors: soft === undefined ? null : Number(soft),
    receiveBufferMax: numberIn('/proc/sys/net/core/rmem_max'),
    conntrack: count === null || max === null ? null : { count, max },
  }
}

/** Sockets beside those of allocations: listeners, WebSockets, files. */
const OTHER_DESCRIPTORS = 256
const ENOUGH_DESCRIPTORS = 4096
/** Two entries for each allocation: its client and its peer. */
const ENOUGH_CONNTRACK = 65_536

export function limitVerdicts({ descriptors, receiveBufferMax, conntrack }: Limits, wantedBuffer: number): Finding[] {
  const findings: Finding[] = []
  if (descriptors !== null) {
    const calls = Math.max(0, descriptors - OTHER_DESCRIPTORS)
    const text = `the server may open ${descriptors} files and sockets: about ${calls} allocations`
    const fix = 'LimitNOFILE=1048576 in the systemd unit (webrtc-stack systemd prints one), or ulimit -n 1048576'
    findings.push(descriptors < ENOUGH_DESCRIPTORS ? warning('nofile', text, fix) : ok('nofile', text))
  }
  if (receiveBufferMax !== null && receiveBufferMax < wantedBuffer)
    findings.push(
      warning(
        'rmem_max',
        `socket buffers stop at ${receiveBufferMax} bytes, sock-buf-size wants ${wantedBuffer}: bursts lose packets`,
        `sysctl -w net.core.rmem_max=${wantedBuffer} net.core.wmem_max=${wantedBuffer}, and in /etc/sysctl.d`,
      ),
    )
  else if (receiveBufferMax !== null) findings.push(ok('rmem_max', `socket buffers may have ${receiveBufferMax} bytes`))
  if (conntrack !== null) {
    const { count, max } = conntrack
    const text = `the kernel follows ${count} connections of at most ${max}; when it is full, calls break`
    const fix = 'sysctl -w net.netfilter.nf_conntrack_max=1048576, or notrack rules for the relay ports'
    const isTight = max < ENOUGH_CONNTRACK || count > 0.8 * max
    findings.push(isTight ? warning('conntrack', text, fix) : ok('conntrack', text))
  }
  return findings
}

/** What this kernel and this installation can do for speed, and what is lost without. */
export function kernelFindings(config: Config): Finding[] {
  const support = linuxSupport()
  const dtls = dtlsSupport()
  const slow = 'packets move one by one, less than half as many a second as in batches'
  return [
    !support.available
      ? warning('batches', `${slow} (${support.reason})`, 'npm install with optional packages (koffi), on Linux')
      : config['udp-io'] === 'dgram'
        ? warning('batches', `${slow} (udp-io=dgram)`, 'remove udp-io= from the configuration')
        : ok('batches', 'packets move in batches, runs of equal size in one piece (UDP_SEGMENT)'),
    ...(config.dtls && !dtls.available
      ? [warning('dtls', `cannot be served: ${dtls.reason}`, 'install koffi, or leave dtls= out')]
      : []),
  ]
}

const CLOCK_KEEPERS = new Set(['chronyd', 'ntpd', 'systemd-timesyn', 'openntpd', 'ptp4l'])

/** Whether something keeps the clock right: time-limited names end by it. */
export function clockFinding(): Finding {
  const isSet = existsSync('/run/systemd/timesync/synchronized') || isRunning(CLOCK_KEEPERS)
  if (isSet) return ok('clock', `something keeps it: ${new Date().toISOString()}`)
  if (!existsSync('/run/systemd/system'))
    return ok('clock', `${new Date().toISOString()}; in a container the host keeps it, which cannot be seen from here`)
  return warning(
    'clock',
    `nothing here keeps it right, it says ${new Date().toISOString()}`,
    'timedatectl set-ntp true: time-limited names fail when the clock is off by more than their lifetime',
  )
}

/** How far another clock may be off before names of a minute's life suffer. */
const SMALL_SKEW_S = 30

/** `aheadSeconds` of the other machine's clock; less than zero where it is behind. */
export function skewVerdict(subject: string, aheadSeconds: number): Finding {
  const off = Math.abs(Math.round(aheadSeconds))
  if (off <= SMALL_SKEW_S) return ok(subject, `the server's clock and this one agree (${off} s apart)`)
  const text = `the server's clock is ${off} s ${aheadSeconds > 0 ? 'ahead of' : 'behind'} this one`
  return warning(
    subject,
    text,
    'set the wrong one of the two (timedatectl set-ntp true): time-limited names fail by it',
  )
}

function numberIn(path: string): number | null {
  const text = readOr(path, null)
  return text === null ? null : Number(text)
}
