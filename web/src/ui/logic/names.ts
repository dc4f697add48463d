// What somebody is called on the page.

import { type Conversation, type Peer, REFUSED } from '../../client/types.ts';
import { list } from '../strings.ts';

/** `3f9a…c21b`: both ends of a key, for where nothing better is known. */
export function shortKey(primary: string): string {
  const digits = primary.replace(/^ed25519:/, '');
  return `${digits.slice(0, 6)}…${digits.slice(-4)}`;
}

/** The handle, else the shortened key. */
export function nameOf(peer: Peer): string {
  return peer.handle ?? shortKey(peer.primary);
}

/** As `nameOf`, and the list's own name for messages without a proven sender. */
export function titleOf(conversation: Conversation): string {
  return conversation.id === REFUSED ? list.refused : nameOf(conversation);
}
