// Reading QR codes from the camera: by the browser itself where it can, else by a library.

/** Milliseconds between two looks. */
const PAUSE = 150;

interface Detector {
  detect(image: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]>;
}

async function detector(): Promise<Detector> {
  const own = (
    globalThis as {
      BarcodeDetector?: { new (options: object): Detector; getSupportedFormats(): Promise<string[]> };
    }
  ).BarcodeDetector;
  if (own && (await own.getSupportedFormats().catch((): string[] => [])).includes('qr_code'))
    return new own({ formats: ['qr_code'] });
  const { BarcodeDetector } = await import('qr/decode.js');
  return new BarcodeDetector({ formats: ['qr_code'] });
}

/** Shows the camera in `video` and calls `found` with each code's text until `stop`. Throws a `DOMException` where there is no camera, or it isn't allowed. */
export async function scan(
  video: HTMLVideoElement,
  found: (text: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  const end = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  if (stop.aborted) return end();
  stop.addEventListener('abort', end);
  video.srcObject = stream;
  await video.play();
  const reader = await detector();
  while (!stop.aborted) {
    const codes =
      video.readyState >= video.HAVE_CURRENT_DATA ? await reader.detect(video).catch(() => []) : [];
    if (stop.aborted) return;
    for (const { rawValue } of codes) found(rawValue);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}
