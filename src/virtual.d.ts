/** The version in package.json; defined by the bundler. */
declare const __VERSION__: string

/** The bundled call page (src/web), as text. */
declare module 'virtual:page-assets' {
  export const callScript: string
  export const callStyle: string
}

/** The bundled thread that relays (src/start/relaying/relay-thread.ts), as the text of a CommonJS script that finds `programUrl` defined. */
declare module 'virtual:relay-thread' {
  export const relayThread: string
}
