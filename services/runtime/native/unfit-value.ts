/** A value that its column cannot hold. */
export class UnfitValueError extends Error {
  constructor(type: string, value: unknown) {
    super(`${describeValue(value)} is no ${type}`);
    this.name = 'UnfitValueError';
  }
}

const EXCERPT_CHARS = 60;
const describeValue = (value: unknown): string => {
  if (typeof value === 'string') return `text ${JSON.stringify(value.slice(0, EXCERPT_CHARS))}`;
  return value === undefined || value === null ? String(value) : `${typeof value} ${value}`;
};
