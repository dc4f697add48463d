// Files of the open conversation as addresses that a page can show: each is assembled once, and given back when the conversation is closed.

import { createContext } from 'svelte';
import type { Item } from '../../client/types.ts';

/** Kinds of images that every browser draws and that can hold no script. */
const INLINE = /^image\/(png|jpeg|gif|webp|avif)$/;

export const isImage = (item: Item) => INLINE.test(item.file?.type ?? '');

export class Pictures {
  readonly #urls = new Map<string, Promise<string>>();
  readonly #fileOf: (item: Item) => Promise<Blob>;

  constructor(fileOf: (item: Item) => Promise<Blob>) {
    this.#fileOf = fileOf;
  }

  /** The address of an item's file. Rejects as `Chat.fileOf` does; a later call tries again. */
  async url(item: Item): Promise<string> {
    const known = this.#urls.get(item.id);
    if (known) return known;
    const fresh = this.#fileOf(item).then((blob) => URL.createObjectURL(blob));
    this.#urls.set(item.id, fresh);
    fresh.catch(() => this.#urls.delete(item.id));
    return fresh;
  }

  close(): void {
    for (const url of this.#urls.values()) url.then(URL.revokeObjectURL, () => {});
    this.#urls.clear();
  }
}

export const [usePictures, providePictures] = createContext<Pictures>();
