import { mayHint } from './redact-pairs.ts';
import { fingerprint, utf8Bytes } from './text.ts';
import { rememberTexts } from './text-memory.ts';

/**
 * What is found in text before it is stored. Secrets and card numbers are replaced by `[redacted:<class>]`; personal
 * data is named in `pii_classes` and kept, since a recorder that hides whom an agent wrote to answers no question.
 */
export const REDACTED_CLASSES = [
  'private_key',
  'aws_key',
  'jwt',
  'api_key',
  'bearer_token',
  'url_password',
  'card_number',
] as const;
export const CLASSED_ONLY = ['email', 'iban'] as const;
export type PiiClass = (typeof REDACTED_CLASSES)[number] | (typeof CLASSED_ONLY)[number];

interface Pattern {
  readonly name: PiiClass;
  /** Cheap test that must hold before the expression is run at all. */
  readonly hint: RegExp;
  /** Linear: bounded repeats, no nested ones. Group `keep`, if any, stays in the text. */
  readonly find: RegExp;
  readonly isReal?: (match: string) => boolean;
}

const digitsOf = (text: string): string => text.replace(/\D/g, '');

/** Luhn's check digit (ISO/IEC 7812-1). */
const isLuhn = (digits: string): boolean => {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
};

/** Number ranges of the networks with the lengths they issue: without them every tenth long number would be a card. */
const CARD =
  /^(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|6(?:011|5\d{2}|4[4-9]\d)\d{12,15}|62\d{14,17})$/;
const isCard = (match: string): boolean => {
  const digits = digitsOf(match);
  return CARD.test(digits) && isLuhn(digits);
};

/** Order matters: a block comes before what may stand inside it. */
const PATTERNS: readonly Pattern[] = [
  {
    name: 'private_key',
    hint: /PRIVATE KEY-----/,
    // Up to the end mark, or, in a text that was cut, the lines of base64 that follow.
    find: /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,]|(?<=[A-Za-z])-(?=[A-Za-z])|\\[nr]){0,16384}(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY-----)?/g,
  },
  { name: 'aws_key', hint: /A[KS]IA/, find: /(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g },
  {
    name: 'jwt',
    hint: /eyJ/,
    find: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{4,16384}\.[A-Za-z0-9_-]{0,4096}/g,
  },
  {
    name: 'api_key',
    hint: /sk-|sk_|rk_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AIza|hf_|npm_|pypi-|SG\.|dckr_pat_|shpat_|gsk_|r8_/,
    find: /(?<![A-Za-z0-9_])(?:sk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_-]{20,200}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,200}|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}|xox[abeoprs]-[A-Za-z0-9-]{10,255}|AIza[A-Za-z0-9_-]{35}|hf_[A-Za-z0-9]{30,64}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,255}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}|dckr_pat_[A-Za-z0-9_-]{20,64}|shpat_[a-f0-9]{32}|gsk_[A-Za-z0-9]{40,64}|r8_[A-Za-z0-9]{30,64})/g,
  },
  {
    name: 'bearer_token',
    hint: /bearer|basic/i,
    find: /(?<keep>(?<![A-Za-z0-9])authorization["']{0,2}\s{0,4}[:=]\s{0,4}["']{0,2}(?:bearer|basic)\s{1,4})[A-Za-z0-9._~+/=-]{8,4096}/gi,
  },
  {
    name: 'url_password',
    hint: /:\/\/[^\s/@]{0,200}:[^\s/@]{1,200}@/,
    find: /(?<keep>[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@"']{1,100}:)[^\s:/@"']{1,200}(?=@)/gi,
  },
  {
    name: 'card_number',
    hint: /\d(?:[ -]?\d){12}/,
    // Neither part of a longer number nor the fraction of one (embeddings are full of sixteen digits).
    find: /(?<![\dA-Za-z_.-])\d(?:[ -]?\d){12,18}(?![\dA-Za-z_]|\.\d)/g,
    isReal: isCard,
  },
  {
    name: 'email',
    hint: /@/,
    find: /(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,24}(?![A-Za-z0-9-])/g,
  },
  {
    name: 'iban',
    hint: /[A-Z]{2}\d{2}/,
    find: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])/g,
    isReal: (match) => isIban(match),
  },
];

/** ISO 7064 mod 97-10, as ISO 13616 asks. */
const isIban = (match: string): boolean => {
  const compact = match.replace(/ /g, '');
  if (compact.length < 15 || compact.length > 34) return false;
  let remainder = 0;
  for (const char of compact.slice(4) + compact.slice(0, 4)) {
    const value = char >= 'A' ? char.charCodeAt(0) - 55 : char.charCodeAt(0) - 48;
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
};

/** Any hint at all. */
export const ANY_HINT = new RegExp(
  PATTERNS.map(({ hint }) => (hint.flags.includes('i') ? caseless(hint.source) : hint.source)).join('|'),
);

function caseless(source: string): string {
  return source.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}

const REPLACED: ReadonlySet<string> = new Set(REDACTED_CLASSES);

const NO_CLASSES: readonly PiiClass[] = [];

/** A text as it may be stored, and what was found in it. */
export interface Redaction {
  readonly text: string;
  readonly classes: readonly PiiClass[];
}

/**
 * Finds every class; with `isRedacting` secrets and cards are replaced. Linear in the length of the text: all
 * repeats are bounded and each expression runs only if its hint is there.
 */
export const redactText = (text: string, isRedacting: boolean): Redaction => {
  if (!mayHint(text) || !ANY_HINT.test(text)) return { text, classes: NO_CLASSES };
  let here = text;
  const classes: PiiClass[] = [];
  for (const pattern of PATTERNS) {
    if (!pattern.hint.test(here)) continue;
    let found = false;
    const replaced = here.replace(pattern.find, (match: string, ...rest: readonly unknown[]) => {
      if (pattern.isReal !== undefined && !pattern.isReal(match)) return match;
      found = true;
      const groups = rest.at(-1);
      const kept = typeof groups === 'object' && groups !== null && 'keep' in groups ? String(groups.keep) : '';
      return `${kept}[redacted:${pattern.name}]`;
    });
    if (!found) continue;
    classes.push(pattern.name);
    if (isRedacting && REPLACED.has(pattern.name)) here = replaced;
  }
  return { text: here, classes };
};

/** A text as it may be stored, measured: what `span_content` says of it. */
export interface MeasuredText extends Redaction {
  /** UTF-8 of the redacted text. */
  readonly bytes: number;
  /** Of the redacted text: a hash of a card number alone could be searched for. */
  readonly hash: string;
}

/** Redacts texts, and remembers long ones. */
export interface Redactor {
  readonly redact: (text: string) => Redaction;
  /** The text of `redact` alone. */
  readonly clean: (text: string) => string;
  /** Of a well-formed text. */
  readonly measure: (text: string) => MeasuredText;
}

/** 256 characters: also the least that never is a cut out of a whole request, which it would keep in memory. */
const MEMORY = { charsMin: 256, charsMax: 512 * 1024, entriesMax: 20_000, totalCharsMax: 16 * 1024 * 1024 };

/** A redactor with its own bounded memory. */
export const createRedactor = (isRedacting: boolean): Redactor => {
  const redact = (text: string): Redaction => redactText(text, isRedacting);
  return {
    redact,
    clean: (text) => (mayHint(text) ? redact(text).text : text),
    measure: rememberTexts((text) => {
      const redaction = redact(text);
      return { ...redaction, bytes: utf8Bytes(redaction.text), hash: fingerprint(redaction.text) };
    }, MEMORY),
  };
};
