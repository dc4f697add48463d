// What sealing costs in Node, with the built library, for texts of several lengths.
import { compose, Identity, Opener, seal } from '../dist-library/kez.js';

const SECONDS = 2;
const [alice, bob] = [Identity.generate(), Identity.generate()];
const opener = new Opener(bob);

/** How often a second `work` is done. */
async function rate(work) {
  await work();
  const began = performance.now();
  let times = 0;
  while (performance.now() - began < SECONDS * 1000) {
    await work();
    times++;
  }
  return Math.round((times * 1000) / (performance.now() - began));
}

console.log('bytes of text   of envelope    sealed/s    opened/s');
for (const bytes of [10, 400, 1000, 10_000, 100_000, 179_000]) {
  const message = compose(alice, bob.primary, 'x'.repeat(bytes));
  const envelope = JSON.stringify(await seal(alice, message));
  const sealed = await rate(() => seal(alice, message));
  const opened = await rate(() => opener.open(envelope, message.sent_at));
  const cells = [bytes, envelope.length, sealed, opened].map((n) => String(n).padStart(12));
  console.log(cells.join(''));
}
