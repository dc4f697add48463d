// Focus goes to the title of a step that replaced another, so that readers of the screen hear where they are.

/** For the title of a step. */
export function arrive(title: HTMLElement): void {
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
}
