// Light, dark, or what the system says; kept on this device.

export type Theme = 'system' | 'light' | 'dark';

const KEPT = 'kez-theme';

/** The chosen theme. */
export function theme(): Theme {
  const kept = localStorage.getItem(KEPT);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

/** Takes it over, now and at the next start. */
export function chooseTheme(chosen: Theme): void {
  if (chosen === 'system') localStorage.removeItem(KEPT);
  else localStorage.setItem(KEPT, chosen);
  showTheme();
}

/** Shows the page in the chosen theme. */
export function showTheme(): void {
  const chosen = theme();
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
