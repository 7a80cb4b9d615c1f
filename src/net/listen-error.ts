import { errorCode } from './socket-errors.ts'

/** A listening address that could not be opened, with what an operator can do about it. */
export class ListenError extends Error {
  readonly address: string
  readonly port: number
  readonly transport: 'udp' | 'tcp'
  readonly code: string
  /** One sentence: how to get past it. */
  readonly fix: string

  constructor(transport: 'udp' | 'tcp', address: string, port: number, cause: unknown) {
    const code = errorCode(cause)
    const shown = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
    super(`cannot listen on ${transport} ${shown}: ${code}`, { cause })
    this.name = 'ListenError'
    this.address = address
    this.port = port
    this.transport = transport
    this.code = code
    this.fix = fixFor(code, transport, port)
  }
}

function fixFor(code: string, transport: 'udp' | 'tcp', port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Another program uses the port: \`ss -${transport === 'udp' ? 'u' : 't'}lnp 'sport = :${port}'\` names it. Stop it or choose another port.`
    case 'EACCES':
      return 'Ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in the systemd unit) or a higher port.'
    case 'EADDRNOTAVAIL':
      return 'No network interface has this address: compare listening-ip with `ip address`; behind NAT, listen on the private address and set external-ip.'
    case 'EAFNOSUPPORT':
      return 'This system has IPv6 switched off: remove the IPv6 address from listening-ip.'
    case 'EMFILE':
    case 'ENFILE':
      return 'Too many open files: raise the limit (LimitNOFILE= in the systemd unit, or ulimit -n).'
    case 'ENOTFOUND':
    case 'EINVAL':
      return 'listening-ip has to be a numeric address of this machine.'
    default:
      return 'Check listening-ip and the ports.'
  }
}
