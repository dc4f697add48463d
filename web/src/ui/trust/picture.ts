// A key as a picture: nine tiles in three colours. Two keys whose pictures look alike are told apart by their words.

import { sha256 } from '@noble/hashes/sha2.js';

/** Ground, and two colours of tiles. */
const PALETTES = [
  ['#0b6e4f', '#f4c95d', '#f7f3e8'],
  ['#123c69', '#edc7b7', '#eee2dc'],
  ['#f4c95d', '#7d1d3f', '#2b2d42'],
  ['#e4572e', '#ffe8d1', '#29335c'],
  ['#2e5339', '#e9c46a', '#e76f51'],
  ['#5b2a86', '#f7c59f', '#9ac6c5'],
  ['#f2e8cf', '#386641', '#bc4749'],
  ['#20627a', '#f9dc5c', '#f4f0e6'],
  ['#dcebe4', '#0b6e4f', '#e07a5f'],
  ['#3d405b', '#f2cc8f', '#81b29a'],
  ['#ffd6ba', '#8a2846', '#365486'],
  ['#264653', '#f4a261', '#e9f5db'],
  ['#d8e2dc', '#28587b', '#ec9a29'],
  ['#7a2e39', '#ffd9da', '#f4a259'],
  ['#1b4965', '#bee9e8', '#ff9f6b'],
  ['#efe1ce', '#4a4e69', '#c9543b'],
] as const;

/** Tiles of one unit, drawn within a square around 0. */
const SHAPES = [
  'M-.5-.5H.5V.5H-.5Z',
  'M-.5-.5A1 1 0 0 1 .5.5H-.5Z',
  'M-.5-.5L.5.5H-.5Z',
  'M-.5 0A.5.5 0 0 1 .5 0A.5.5 0 0 1-.5 0Z',
  'M-.5-.5A1 1 0 0 1 .5.5A1 1 0 0 1-.5-.5Z',
  'M-.5 0A.5.5 0 0 1 .5 0Z',
  'M-.5-.5H.5L0 0Z',
  'M-.25 0A.25.25 0 0 1 .25 0A.25.25 0 0 1-.25 0Z',
] as const;

export interface Tile {
  readonly path: string;
  readonly place: string;
  readonly colour: string;
}

export interface Picture {
  readonly ground: string;
  readonly tiles: readonly Tile[];
}

const drawn = new Map<string, Picture>();

/** The picture of a key, in a square of three by three; the same on every device. */
export function pictureOf(primary: string): Picture {
  let picture = drawn.get(primary);
  if (!picture) {
    picture = draw(sha256(new TextEncoder().encode(`kez-picture-v1\n${primary}`)));
    drawn.set(primary, picture);
  }
  return picture;
}

function draw(bytes: Uint8Array): Picture {
  const byte = (at: number) => bytes[at] as number;
  const [ground, first, second] = PALETTES[byte(0) % PALETTES.length] as (typeof PALETTES)[number];
  const tiles = Array.from({ length: 9 }, (_, at): Tile => {
    const quarter = (byte(at + 10) & 3) * 90;
    return {
      path: SHAPES[byte(at + 1) % SHAPES.length] as string,
      place: `translate(${(at % 3) + 0.5} ${Math.floor(at / 3) + 0.5}) rotate(${quarter})`,
      colour: byte(at + 20) & 1 ? first : second,
    };
  });
  return { ground, tiles };
}
