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

/** Where systemd puts the files of LoadCredential; systemd itself fills this in. */
const FOLDER = `\${CREDENTIALS_DIRECTORY}`

interface Installed {
  readonly node: string
  readonly script: string
  readonly file: string
  readonly cert: string | null
  readonly key: string | null
}

function unit({ node, script, file, cert, key }: Installed): string {
  const credentials = [
    ['turnserver.conf', file],
    ['cert.pem', cert],
    ['key.pem', key],
  ].filter((pair): pair is [string, string] => pair[1] !== null)
  const tlsFlags = cert === null ? '' : ` --cert=${FOLDER}/cert.pem --pkey=${FOLDER}/key.pem`
  return `# /etc/systemd/system/webrtc-stack.service
# webrtc-stack systemd > /etc/systemd/system/webrtc-stack.service && systemctl enable --now webrtc-stack
[Unit]
Description=webrtc-stack: rooms, signaling and STUN/TURN
Wants=network-online.target
After=network-online.target

[Service]
# Best run by the newest LTS of Node, which is Node ${RECOMMENDED_NODE}.
ExecStart=${node} ${script} serve -c ${FOLDER}/turnserver.conf${tlsFlags}
Restart=on-failure
RestartSec=1
# A wrong configuration stays wrong: 78 and 2 wait for a person.
RestartPreventExitStatus=78 2
TimeoutStopSec=15
LimitNOFILE=1048576

# A user made up for this service; systemd reads the files that need more rights and hands them over.
DynamicUser=yes
${credentials.map(([name, path]) => `LoadCredential=${name}:${path}`).join('\n')}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
# V8 compiles JavaScript to machine code while it runs.
MemoryDenyWriteExecute=no
# For ports below 1024.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE

[Install]
WantedBy=multi-user.target`
}
