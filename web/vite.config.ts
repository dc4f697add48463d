// Builds the application: index.html, what it loads, and the service worker, which is told what there is.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { precache } from './scripts/precache.ts';

/** Where `npm run dev` finds a server. */
const SERVER = process.env.KEZ_URL ?? 'http://127.0.0.1:6969';

export default defineConfig({
  // What takes a second on one machine takes ten on another that is busy.
  test: { testTimeout: 60_000 },
  plugins: [svelte(), precache('sw.js')],
  server: { proxy: { '/v1': SERVER, '/.well-known': SERVER } },
  build: {
    target: 'es2022',
    sourcemap: false,
    // Inlined files would be data: URLs, which the page's policy has only for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: 'index.html', sw: 'src/sw.ts' },
      output: {
        // A service worker's name is its identity.
        entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
