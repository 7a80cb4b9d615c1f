// What a stranger may make one handshake cost, where the operator says nothing else. One costs about as much as the signature
// with an RSA key of 2048 bits; OpenSSL's own defaults let a client choose groups that take a hundred times as long.

/** For `ec-curve-name`. Of the others in OpenSSL's list ffdhe8192 alone takes 120 ms. */
export const DEFAULT_GROUPS = 'X25519:P-256:P-384'

/** Behind a `cipher-list`: without forward secrecy, and a second operation with the key where the others have one (RFC 9325 §4.1). */
export const NO_STATIC_RSA = ':!kRSA'
