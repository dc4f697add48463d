// A server of its own for each test. Environment: KEZ_CHAT_SERVER and KEZ_NATS_SERVER, the two programs [default: what `make test` builds and fetches].
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = resolve(import.meta.dirname, '../../..');
const program = process.env.KEZ_CHAT_SERVER ?? join(root, 'target/debug/kez-chat-server');
const nats = process.env.KEZ_NATS_SERVER ?? fetched();
const DEADLINE = 60_000;

function fetched() {
  const tools = join(root, '.tools');
  const found = readdirSync(tools).find((name) => name.startsWith('nats-server-'));
  return join(tools, found ?? '', 'nats-server');
}

/** A `kez-chat-server` with a data folder of its own; every port is free, and stays the same when it starts again. */
export class Server {
  #dir = mkdtempSync(join(tmpdir(), 'kez-app-'));
  #addresses = ['bind', 'nats-bind', 'nats-ws-bind'].map((flag) => [flag, '127.0.0.1:0']);
  #child;
  #more;
  /** Where its page is. */
  url;

  /** With these flags, too. */
  constructor(more = {}) {
    this.#more = more;
  }

  async start() {
    const ready = join(this.#dir, 'ready');
    rmSync(ready, { force: true });
    const flags = Object.entries({
      db: join(this.#dir, 'db'),
      server: 'kez.lat',
      'nats-server': nats,
      'drain-seconds': '1',
      'ready-file': ready,
      'limit-requests': '0',
      'limit-sends': '0',
      'limit-registrations': '0',
      'limit-sessions': '0',
      'limit-streams': '0',
      'limit-sender': '0',
      'limit-client-requests': '0',
      ...Object.fromEntries(this.#addresses),
      ...this.#more,
    });
    const log = openSync(join(this.#dir, 'log'), 'a');
    this.#child = spawn(
      program,
      flags.map(([flag, value]) => `--${flag}=${value}`),
      {
        stdio: ['ignore', log, log],
        env: { PATH: process.env.PATH, RUST_LOG: 'info', KEZ_CHAT_WEB_DIR: process.env.KEZ_CHAT_WEB_DIR },
      },
    );
    await until('the server is ready', () => {
      if (this.#child.exitCode !== null) throw new Error(`the server ended:\n${this.log()}`);
      return existsSync(ready);
    });
    const addresses = JSON.parse(readFileSync(ready, 'utf8'));
    this.url = addresses.http;
    const bound = { bind: addresses.http, 'nats-bind': addresses.nats, 'nats-ws-bind': addresses.nats_ws };
    this.#addresses = Object.entries(bound).map(([flag, url]) => [flag, new URL(url).host]);
    return this;
  }

  /** Stops it in order. */
  async stop() {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await until('the server ends', () => child.exitCode !== null || child.signalCode !== null);
    }
  }

  /** `kill -9` of its nats-server, which it starts again. */
  killNats() {
    process.kill(Number(readFileSync(join(this.#dir, 'db/nats/nats-server.pid'), 'utf8')), 'SIGKILL');
  }

  log() {
    return readFileSync(join(this.#dir, 'log'), 'utf8').split('\n').slice(-60).join('\n');
  }

  async drop() {
    await this.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function until(what, condition) {
  const end = Date.now() + DEADLINE;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${DEADLINE / 1000} s until ${what}`);
    await sleep(50);
  }
}
