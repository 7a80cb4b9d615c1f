import { readFileSync } from 'node:fs'
import { build, type Plugin } from 'esbuild'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** Values that the sources take as constants; vitest.config.ts defines the same ones. */
export const defines = { __VERSION__: JSON.stringify(version) }

/** Bundles src/web for the browser and returns it as the source of a module that exports the text of each file. */
export async function pageAssets(minify: boolean): Promise<string> {
  const result = await build({
    entryPoints: { call: 'src/web/call.tsx' },
    bundle: true,
    write: false,
    outdir: '.',
    platform: 'browser',
    target: ['chrome100', 'firefox100', 'safari15'],
    format: 'iife',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    charset: 'utf8',
    minify,
    define: defines,
  })
  const text = (ending: string) =>
    JSON.stringify(result.outputFiles.find((file) => file.path.endsWith(ending))?.text ?? '')
  return `export const callScript = ${text('.js')}\nexport const callStyle = ${text('.css')}\n`
}

const embedPage: Plugin = {
  name: 'embed-page',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^virtual:page-assets$/ }, () => ({ path: 'page-assets', namespace: 'page-assets' }))
    onLoad({ filter: /.*/, namespace: 'page-assets' }, async () => ({ contents: await pageAssets(true), loader: 'js' }))
  },
}

export default defineConfig({
  entry: { cli: 'src/cli.ts', 'net/relay-worker': 'src/net/relay-worker.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  dts: false,
  splitting: true,
  define: defines,
  esbuildPlugins: [embedPage],
})
