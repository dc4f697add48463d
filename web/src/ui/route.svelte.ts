// Where in the open client the person is. It is kept in the history entry's state, so that Back works and no address names whom one writes to.

export type Place =
  | { readonly at: 'list' }
  | { readonly at: 'chat'; readonly id: string; readonly order?: number }
  | { readonly at: 'settings' };

const LIST: Place = { at: 'list' };

export class Route {
  place = $state.raw<Place>(history.state?.place ?? LIST);

  constructor() {
    addEventListener('popstate', (event) => {
      this.place = event.state?.place ?? LIST;
    });
  }

  /** Goes somewhere; from one place to another beside the list, Back still leads to the list. */
  go(place: Place): void {
    if (this.place.at === 'list') history.pushState({ place }, '');
    else history.replaceState({ place }, '');
    this.place = place;
  }

  /** Back to the list. */
  leave(): void {
    history.replaceState({ place: LIST }, '');
    this.place = LIST;
  }
}
