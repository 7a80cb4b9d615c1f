/** The turnserver.conf that the tutorial has its readers write, with an address in place of the masked one. */
export const tutorial = (address: string) => `
listening-device=eth0
listening-ip=${address}
relay-device=eth0
relay-ip=${address}
Verbose
fingerprint
lt-cred-mech
use-auth-secret
static-auth-secret=diveinedu
user=diveinedu:0x06b2afcf07ba085b7777b481b1020391
user=diveinedu:diveinedu
stale-nonce
cert=/usr/local/etc/turn_server_cert.pem
pkey=/usr/local/etc/turn_server_pkey.pem
no-loopback-peers
no-multicast-peers
mobility
sha256
no-cli
`
