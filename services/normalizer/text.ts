import { hash } from 'node:crypto';

/** 128 bits of SHA-256 of a text, 32 hex digits: tells contents apart without keeping them. */
export const fingerprint = (text: string): string => hash('sha256', text, 'hex').slice(0, 32);

const encoder = new TextEncoder();
const scratch = new Uint8Array(4);

/** Bytes of the text in UTF-8. */
export const utf8Bytes = (text: string): number => Buffer.byteLength(text, 'utf8');

/** The longest beginning of a text that fits into `bytesMax` bytes of UTF-8; never half a character. */
export const cutUtf8 = (text: string, bytesMax: number): string => {
  // A UTF-16 unit takes at most three bytes: most texts need no counting.
  if (text.length * 3 <= bytesMax) return text;
  const target = bytesMax <= scratch.length ? scratch.subarray(0, bytesMax) : new Uint8Array(bytesMax);
  const { read } = encoder.encodeInto(text, target);
  return read >= text.length ? text : text.slice(0, read);
};
