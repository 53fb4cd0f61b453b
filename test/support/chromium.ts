import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** CI sets REQUIRE_BROWSER=1, so that there these tests cannot be passed over. */
export const canBrowse = existsSync(CHROMIUM) || process.env['REQUIRE_BROWSER'] === '1';

/** A headless Chromium that asks nobody for anything. */
export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
