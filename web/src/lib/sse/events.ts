// One answer of server-sent events, read with `fetch`: EventSource can't send a token, and gives up for good on an answer that isn't 200.

import { EventSourceParserStream } from 'eventsource-parser/stream';
import { KezError } from '../error.ts';

/** The server sends something every 15 s; a stream that is silent for so long is dead. In milliseconds. */
const SILENCE = 40_000;
/** Characters of one event, at most. An envelope has 256 KiB. */
const EVENT_CHARS = 1024 * 1024;

/** One event. */
export interface SseEvent {
  readonly event: string;
  readonly data: string;
}

/** Yields the events of `url` until the stream ends. Throws a `KezError`, also when it falls silent. */
export async function* readEvents(
  url: string,
  token: string,
  stop: AbortSignal,
  onRetry: (milliseconds: number) => void,
): AsyncGenerator<SseEvent, void, undefined> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE);
  const signal = AbortSignal.any([stop, silent.signal]);
  try {
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
    const response = await fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit' });
    if (!response.ok) throw await KezError.fromResponse(response);
    if (!response.body) throw KezError.local('malformed', 'the stream has no body');
    const reader = response.body
      .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>)
      .pipeThrough(new EventSourceParserStream({ onRetry, maxBufferSize: EVENT_CHARS, onError: 'terminate' }))
      .getReader();
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
      yield { event: value.event ?? 'message', data: value.data };
    }
  } catch (error) {
    if (error instanceof KezError) throw error;
    throw KezError.local(
      'disconnected',
      silent.signal.aborted ? 'the server fell silent' : String(error),
      error,
    );
  } finally {
    clearTimeout(timer);
    // Whoever stops reading ends the request.
    silent.abort();
  }
}
