// Tells the service worker which files there are.

import { createHash } from 'node:crypto';
import type { Plugin } from 'vite';

/** Files of `public/` that an open page needs without a network, beside the bundle's own. */
const PUBLIC = /\.(svg|png|ico|webmanifest)$/;

/** Writes the list of all files of the build, and the hash of their contents, into the worker of this name in place of `__PRECACHE__`. */
export function precache(worker: string): Plugin {
  let folder = '';
  return {
    name: 'kez-precache',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      folder = config.publicDir;
    },
    generateBundle: {
      // The page itself is put into the bundle late.
      order: 'post',
      async handler(_, bundle) {
        const { readdir, readFile } = await import('node:fs/promises');
        const names = await readdir(folder, { recursive: true }).catch(() => []);
        const contents = new Map<string, string | Uint8Array>();
        for (const name of names.filter((name) => PUBLIC.test(name))) {
          contents.set(name, await readFile(`${folder}/${name}`));
        }
        for (const [name, file] of Object.entries(bundle)) {
          if (name !== worker) contents.set(name, file.type === 'chunk' ? file.code : file.source);
        }
        const hash = createHash('sha256');
        const files = [...contents.keys()].sort();
        for (const name of files) hash.update(name).update(contents.get(name) ?? '');
        const list = { version: hash.digest('hex').slice(0, 16), files: files.map((name) => `/${name}`) };
        const chunk = bundle[worker];
        if (!contents.has('index.html')) this.error('the bundle has no page');
        if (chunk?.type !== 'chunk' || !chunk.code.includes('__PRECACHE__')) {
          this.error(`${worker} has no place for the list of files`);
        }
        chunk.code = chunk.code.replace('__PRECACHE__', () => JSON.stringify(list));
      },
    },
  };
}
