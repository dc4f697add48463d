// A message's text as pieces: plain, or a link that may be opened.

import { tokenize } from 'linkifyjs';

export interface Piece {
  readonly text: string;
  /** An address of http, https or mailto. */
  readonly href?: string;
}

/** Lets the library read its tables, before the first message needs them. */
export function warmUp(): void {
  tokenize('');
}

/** Links of one message, at most: what is behind them stays plain. */
const MOST_LINKS = 100;

/** Cuts out web and mail addresses; one without a scheme is taken as https. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let plain = '';
  let links = 0;
  for (const token of tokenize(text)) {
    const href = token.isLink && links < MOST_LINKS ? token.toHref('https') : '';
    if (!/^(https?|mailto):/i.test(href)) {
      plain += token.v;
      continue;
    }
    if (plain !== '') found.push({ text: plain });
    found.push({ text: token.v, href });
    plain = '';
    links += 1;
  }
  return plain === '' ? found : [...found, { text: plain }];
}

const EMOJI =
  /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|[#*0-9]\ufe0f?\u20e3|[\u200d\ufe0f]|\s)+$/u;

/** Whether a text is one to six emoji and nothing else: those are shown large. */
export function isEmoji(text: string): boolean {
  if (text.length > 96 || !EMOJI.test(text)) return false;
  const symbols = [...new Intl.Segmenter('en').segment(text)].filter(({ segment }) => segment.trim() !== '');
  return symbols.length >= 1 && symbols.length <= 6;
}

/** `1.4 MB` */
export function sizeOf(bytes: number): string {
  const [unit, name] = bytes < 1e3 ? [1, 'B'] : bytes < 1e6 ? [1e3, 'kB'] : [1e6, 'MB'];
  const digits = unit === 1e6 ? 1 : 0;
  return `${(bytes / unit).toFixed(digits)} ${name}`;
}
