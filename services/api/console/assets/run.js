// Opens a step beside the waterfall without loading the page anew; without this script the links do the same.

const split = document.getElementById('split');
const detail = document.getElementById('detail');

const choose = (stepId) => {
  for (const row of document.querySelectorAll('.step[data-step]')) {
    const isChosen = row instanceof HTMLElement && row.dataset.step === stepId;
    row.classList.toggle('chosen', isChosen);
    if (isChosen) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
  }
  split?.classList.toggle('open', stepId !== null);
};

const open = async (stepId) => {
  if (!detail) return;
  if (stepId === null) {
    choose(null);
    return;
  }
  const address = new URL(location.href);
  address.pathname = `${location.pathname}/steps/${encodeURIComponent(stepId)}`;
  address.hash = '';
  const answer = await fetch(address, { cache: 'no-store' });
  if (!answer.ok) {
    // The whole page says better what is wrong.
    location.reload();
    return;
  }
  // Markup of our own server, escaped there; the policy of the page runs no script it could hold.
  detail.innerHTML = await answer.text();
  choose(stepId);
  detail.scrollTop = 0;
  if (matchMedia('(max-width: 1099px)').matches) detail.scrollIntoView();
};

const go = (stepId) => {
  const address = new URL(location.href);
  if (stepId === null) address.searchParams.delete('step');
  else address.searchParams.set('step', stepId);
  address.hash = '';
  history.pushState(null, '', address);
  void open(stepId);
};

if (split && detail) {
  document.addEventListener('click', (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || !(event.target instanceof Element)) return;
    const row = event.target.closest('a.step[data-step]');
    if (row instanceof HTMLElement) {
      event.preventDefault();
      go(row.dataset.step ?? null);
    } else if (event.target.closest('[data-close]')) {
      event.preventDefault();
      go(null);
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && split.classList.contains('open')) {
      const row = document.querySelector('.step.chosen');
      go(null);
      if (row instanceof HTMLElement) row.focus();
    }
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && document.activeElement?.matches('a.step')) {
      const rows = [...document.querySelectorAll('a.step')].filter((row) => row.checkVisibility());
      const next = rows[rows.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1)];
      if (next instanceof HTMLElement) {
        event.preventDefault();
        next.focus();
      }
    }
  });
  window.addEventListener('popstate', () => void open(new URL(location.href).searchParams.get('step')));
}
