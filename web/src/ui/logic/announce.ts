// Notifications about what came while the page isn't looked at. Permission is asked for elsewhere, on a click.

import type { Conversation } from '../../client/types.ts';
import { app, notice } from '../strings.ts';
import { titleOf } from './names.ts';

const KEPT = 'kez-notifications';

/** Whether this browser has notifications at all. */
export const possible = () => 'Notification' in globalThis;

/** Whether the person wants notifications, and the browser allows them. */
export const wanted = () =>
  possible() && Notification.permission === 'granted' && localStorage.getItem(KEPT) === 'on';

/** Asks the browser if it has to; only on a click. Whether there will be notifications. */
export async function turnOn(): Promise<boolean> {
  if ((await Notification.requestPermission()) !== 'granted') return false;
  localStorage.setItem(KEPT, 'on');
  return true;
}

export function turnOff(): void {
  localStorage.removeItem(KEPT);
}

/** Tells of a message, never what it says; of no conversation while the page is locked. */
export async function announce(conversation: Conversation | undefined): Promise<void> {
  if (document.visibilityState === 'visible' || conversation?.blocked || !wanted()) return;
  const title = conversation ? titleOf(conversation) : app.name;
  const options = {
    body: conversation ? notice.body : notice.sealed,
    tag: `kez ${conversation?.id ?? ''}`,
    icon: '/icon-192.png',
    data: { conversation: conversation?.id },
  };
  // Over the service worker where there is one: a phone's browser takes no other.
  const worker = await navigator.serviceWorker?.getRegistration();
  if (worker?.active) return worker.showNotification(title, options);
  const shown = new Notification(title, options);
  shown.onclick = () => {
    focus();
    shown.close();
  };
}
