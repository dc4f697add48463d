// What a claim is about: an account, a name or a page elsewhere, as `system:identifier`.

import { utf8 } from '../bytes.ts';
import { nostrKey } from '../keys/nostr.ts';
import { SUBJECT_BYTES } from '../limits.ts';
import { Refusal } from '../refusal.ts';
import { asciiLowerCase } from '../text.ts';
import type { Subject } from '../wire.ts';

/** For each system, the one spelling of an identifier there; undefined for what is none. */
const SYSTEMS = new Map<string, (text: string) => string | undefined>([
  ['github', (text) => (/^[A-Za-z0-9-]{1,39}$/.test(text) ? asciiLowerCase(text) : undefined)],
  ['dns', domain],
  ['nostr', (text) => (nostrKey(text) ? text : undefined)],
  ['bluesky', domain],
  ['ap', account],
  ['did', (text) => (/^[a-z0-9]+:[A-Za-z0-9._:%-]+$/.test(text) ? text : undefined)],
  ['ens', (text) => (/^[^.]+(\.[^.]+)+$/.test(text) ? text.toLowerCase() : undefined)],
  ['web', (text) => (isPage(text) ? text : undefined)],
]);

/**
 * A subject in its one spelling: what its system compares without case is in lower case, and `mastodon:` is `ap:`. At most 255 bytes, without white space.
 * Throws `invalid_subject`.
 */
export function parseSubject(text: string): Subject {
  const [, name = '', identifier = ''] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  const system = name === 'mastodon' ? 'ap' : name;
  const plain = utf8(text).length <= SUBJECT_BYTES && !/[\p{White_Space}\p{Cc}]/u.test(text);
  let normal: string | undefined;
  try {
    normal = plain ? SYSTEMS.get(system)?.(identifier) : undefined;
  } catch (cause) {
    throw new Refusal('invalid_subject', { cause });
  }
  if (normal === undefined) throw new Refusal('invalid_subject');
  return `${system}:${normal}`;
}

/** A domain with a dot in it, in lower case (RFC 1035 labels, 253 characters). */
function domain(text: string): string | undefined {
  const name = asciiLowerCase(text);
  const labels = name.split('.');
  const good = labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
  return good && labels.length > 1 && name.length <= 253 ? name : undefined;
}

/** An account of ActivityPub, `user@host`. */
function account(text: string): string | undefined {
  const [, user = '', host = ''] = /^@?([A-Za-z0-9_.-]+)@(.*)$/s.exec(text) ?? [];
  const name = domain(host);
  return name && `${asciiLowerCase(user)}@${name}`;
}

/** An https URL without a user in it, or one without its `https://`. Throws where `URL` does. */
function isPage(text: string): boolean {
  const url = new URL(text.includes('://') ? text : `https://${text}`);
  return url.protocol === 'https:' && url.username === '' && url.password === '';
}
