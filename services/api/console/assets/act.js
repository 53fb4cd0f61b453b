// Sends what a person does to the API, says what came of it, and shows the page as it is then, without leaving it.

const NAME_KEY = 'tacho.actor';
const REFRESH_MS = 2000;
const REFRESHES_MAX = 5;

const said = () => document.querySelector('[data-said]');
const say = (text, isBad = false) => {
  const place = said();
  if (!(place instanceof HTMLElement)) return;
  place.textContent = text;
  place.classList.toggle('failure', isBad);
};

// Forms are there for those who can use them: without this script nothing would come of a click.
const prepare = () => {
  for (const form of document.querySelectorAll('form[data-act]')) form.removeAttribute('hidden');
  for (const input of document.querySelectorAll('input[data-remember]')) {
    if (input instanceof HTMLInputElement && input.value === '') input.value = localStorage.getItem(NAME_KEY) ?? '';
  }
};

// Markup of our own server, escaped there; parsed apart, so nothing in it runs, and the policy of the page forbids it too.
const refresh = async () => {
  const answer = await fetch(location.href, { cache: 'no-store' });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const selector of ['#main', 'nav[aria-label="Pages"]']) {
    const [old, now] = [document.querySelector(selector), fresh.querySelector(selector)];
    if (old && now) old.replaceChildren(...now.childNodes);
  }
  prepare();
};

const bodyOf = (form, button) => {
  const fields = new FormData(form);
  const value = (name) => String(fields.get(name) ?? '').trim();
  const body = {};
  if (value('actor') !== '') body.actor = value('actor');
  const field = button.dataset.requires ?? 'comment';
  if (value('comment') !== '') body[field] = value('comment');
  const minutes = value(`minutes-${button.value}`);
  if (minutes !== '') body.minutes = Number(minutes);
  return body;
};

const keyOf = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const send = async (form, button) => {
  const body = bodyOf(form, button);
  const tenant = encodeURIComponent(form.dataset.tenant ?? '');
  const answer = await fetch(`${form.dataset.act}/${button.value}?tenant=${tenant}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': keyOf() },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
};

const settle = async (refreshesLeft) => {
  if (refreshesLeft === 0) return;
  await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  // Never under the hands of somebody who writes.
  if (!document.activeElement?.closest('form[data-act]')) {
    const words = said()?.textContent ?? '';
    await refresh();
    say(words);
  }
  await settle(refreshesLeft - 1);
};

const act = async (form, button) => {
  if (button.dataset.requires && form.elements.namedItem('comment').value.trim() === '') {
    say(`Write a ${button.dataset.requires} first.`, true);
    form.elements.namedItem('comment').focus();
    return;
  }
  const label = button.textContent;
  form.setAttribute('aria-busy', 'true');
  say(`${label} …`);
  try {
    const { status, body } = await send(form, button);
    if (status >= 400) {
      say(body.detail ?? 'It was refused.', true);
      return;
    }
    await refresh();
    const words = status === 202 ? 'Taken; it shows here once the alerter has recorded it.' : 'Done.';
    say(body.effect ?? `${label}: ${words}`);
    said()?.focus();
    if (status === 202) void settle(REFRESHES_MAX);
  } catch {
    say('The server did not answer; nothing is known to have changed. Try again.', true);
  } finally {
    form.removeAttribute('aria-busy');
  }
};

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.dataset.act === undefined) return;
  event.preventDefault();
  const button = event.submitter;
  if (form.hasAttribute('aria-busy') || !(button instanceof HTMLButtonElement)) return;
  const name = form.elements.namedItem('actor');
  if (name instanceof HTMLInputElement) localStorage.setItem(NAME_KEY, name.value.trim());
  void act(form, button);
});

// Enter in the name field must not press the first button.
document.addEventListener('keydown', (event) => {
  const field = event.target;
  if (event.key === 'Enter' && field instanceof HTMLInputElement && field.form?.dataset.act !== undefined) {
    event.preventDefault();
  }
});

prepare();
