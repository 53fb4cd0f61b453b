// Small conveniences over pages that work without them: copying ids, sending the tenant form, relative times.

const COPIED_MS = 1200;

document.addEventListener('click', async (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-copy]') : null;
  if (!(button instanceof HTMLElement)) return;
  event.preventDefault();
  await navigator.clipboard.writeText(button.dataset.copy ?? '');
  button.classList.add('copied');
  setTimeout(() => button.classList.remove('copied'), COPIED_MS);
});

document.addEventListener('change', (event) => {
  const form = event.target instanceof Element ? event.target.closest('form[data-autosubmit]') : null;
  if (form instanceof HTMLFormElement) form.requestSubmit();
});

// On a narrow window the navigation scrolls sideways: where one is must be in sight.
document
  .querySelector('nav[aria-label="Pages"] [aria-current]')
  ?.scrollIntoView({ block: 'nearest', inline: 'center' });
