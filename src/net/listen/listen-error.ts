import { errorCode } from '../socket-errors.ts'

/** A listening address that could not be opened, with what an operator can do about it. */
export class ListenError extends Error {
  readonly address: string
  readonly port: number
  readonly transport: 'udp' | 'tcp'
  readonly code: string
  /** How to get past it, as the end of a sentence. */
  readonly fix: string

  /** `option` is the key that the address comes from. */
  constructor(transport: 'udp' | 'tcp', address: string, port: number, cause: unknown, option = 'listening-ip') {
    const code = errorCode(cause)
    const shown = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
    super(`cannot listen on ${transport} ${shown}: ${code}`, { cause })
    this.name = 'ListenError'
    this.address = address
    this.port = port
    this.transport = transport
    this.code = code
    this.fix = fixFor(code, transport, port, option)
  }

  /** The same for whoever knows better which key the address comes from. */
  fixFor(option: string): string {
    return fixFor(this.code, this.transport, this.port, option)
  }
}

function fixFor(code: string, transport: 'udp' | 'tcp', port: number, option: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `another program uses the port, and \`ss -${transport === 'udp' ? 'u' : 't'}lnp 'sport = :${port}'\` names it: stop it, or choose another port`
    case 'EACCES':
      return 'ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in the systemd unit), or choose a higher port'
    case 'EADDRNOTAVAIL':
      return option === 'listening-ip'
        ? 'no network interface has this address: compare listening-ip with `ip address`; behind NAT, listen on the private address and set external-ip'
        : `no network interface has this address: compare ${option} with \`ip address\``
    case 'EAFNOSUPPORT':
      return `this system has IPv6 switched off: take the IPv6 address out of ${option}`
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files: raise the limit (LimitNOFILE= in the systemd unit, or ulimit -n)'
    case 'ENOTFOUND':
    case 'EINVAL':
      return `${option} has to be a numeric address of this machine`
    default:
      return `check ${option} and the ports`
  }
}
