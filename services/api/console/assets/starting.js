// Asks until the store can be read, then opens the page that was wanted.

const POLL_MS = 1500;
const list = document.getElementById('checks');

const poll = async () => {
  try {
    const answer = await fetch('/readyz', { cache: 'no-store' });
    if (answer.ok) {
      location.reload();
      return;
    }
    const { checks } = await answer.json();
    list?.replaceChildren(
      ...checks.map((check) => {
        const item = document.createElement('li');
        const shape = document.createElement('span');
        shape.className = `status ${check.state}`;
        shape.textContent = `${check.state === 'ok' ? '●' : '◐'} ${check.name}`;
        const detail = document.createElement('span');
        detail.className = 'quiet';
        detail.textContent = ` ${check.detail}`;
        item.append(shape, detail);
        return item;
      }),
    );
  } catch {
    // The process is not there at the moment: ask again.
  }
  setTimeout(poll, POLL_MS);
};

setTimeout(poll, POLL_MS);
