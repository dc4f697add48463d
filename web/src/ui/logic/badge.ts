// How many messages wait to be read, where the page itself isn't seen: in its title and on its icon.

import { app } from '../strings.ts';

export function badge(unread: number): void {
  document.title = app.titled(unread);
  if (!('setAppBadge' in navigator)) return;
  // Only an installed page has an icon; elsewhere the browser refuses.
  const done = unread > 0 ? navigator.setAppBadge(unread) : navigator.clearAppBadge();
  done.catch(() => {});
}
