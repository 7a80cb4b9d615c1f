import { realpathSync } from 'node:fs'
import type { Flags } from '../config/flags.ts'
import { loadConfig } from '../config/load.ts'
import { ExitCode } from './exit-code.ts'
import { RECOMMENDED_NODE } from './node-version.ts'
import type { Terminal } from './terminal.ts'

/** Where the unit looks when there is no file yet. */
const NO_FILE = '/etc/turnserver.conf'

/** Prints a unit that runs this configuration as a user of its own, without rights it does not need. */
export async function systemd(flags: Flags, terminal: Terminal): Promise<number> {
  const { config, file, warnings } = await loadConfig(flags)
  // What is printed goes into a file as a rule, so nobody would see there that another configuration was meant.
  for (const { where, message, inSummary } of warnings)
    if (!inSummary) terminal.err(`warning: ${where === null ? '' : `${where}: `}${message}`)
  if (file === null)
    terminal.err(
      `warning: no configuration file was found; the unit expects ${NO_FILE}, which \`webrtc-stack init -c ${NO_FILE}\` writes`,
    )
  terminal.out(
    unit({
      node: process.execPath,
      script: realpathSync(process.argv[1] ?? 'webrtc-stack'),
      file: file ?? NO_FILE,
      cert: config.cert,
      key: config.pkey,
    }),
  )
  return ExitCode.OK
}

interface Installed {
  readonly node: string
  readonly script: string
  readonly file: string
  readonly cert: string | null
  readonly key: string | null
}

/** Where systemd copies the files to: a folder that it makes for the service, which nobody else may enter. */
const FOLDER = '%t/webrtc-stack'

function unit({ node, script, file, cert, key }: Installed): string {
  const copies = [
    ['turnserver.conf', file],
    ['cert.pem', cert],
    ['key.pem', key],
  ].filter((pair): pair is [string, string] => pair[1] !== null)
  // With `+` as root: whoever the program runs as may read none of them where they lie.
  const copy = (when: string) =>
    copies.map(([name, path]) => `${when}=+/usr/bin/install -m 0444 ${quoted(path)} ${FOLDER}/${name}`).join('\n')
  const tlsFlags = cert === null ? '' : ` --cert=${FOLDER}/cert.pem --pkey=${FOLDER}/key.pem`
  return `# /etc/systemd/system/webrtc-stack.service
# webrtc-stack systemd > /etc/systemd/system/webrtc-stack.service && systemctl enable --now webrtc-stack
# After a renewal of the certificate: systemctl reload webrtc-stack, which ends no call.
[Unit]
Description=webrtc-stack: rooms, signaling and STUN/TURN
Wants=network-online.target
After=network-online.target

[Service]
# systemd reads the files that need more rights and copies them, at the start and at each reload.
# The socket that commands such as status ask is there, too.
RuntimeDirectory=webrtc-stack
RuntimeDirectoryMode=0700
${copy('ExecStartPre')}
# Best run by the newest LTS of Node, which is Node ${RECOMMENDED_NODE}.
ExecStart=${quoted(node)} ${quoted(script)} serve -c ${FOLDER}/turnserver.conf${tlsFlags}
${copy('ExecReload')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
# A wrong configuration stays wrong: 78 and 2 wait for a person.
RestartPreventExitStatus=78 2
TimeoutStopSec=15
LimitNOFILE=1048576

# A user made up for this service.
DynamicUser=yes
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# V8 compiles JavaScript to machine code while it runs.
MemoryDenyWriteExecute=no
# For ports below 1024.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE

[Install]
WantedBy=multi-user.target`
}

/** One word of a command line of systemd, whatever is in the path. */
function quoted(path: string): string {
  const text = path.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /[\s"'\\;]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text
}
