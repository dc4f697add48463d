// The present time for what is shown beside messages: it moves on once a minute.

class Minute {
  now = $state(Date.now());

  constructor() {
    setInterval(() => {
      this.now = Date.now();
    }, 60_000);
  }
}

export const minute = new Minute();
