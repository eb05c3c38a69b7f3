// Refreshes the elements marked data-live from the same URL, in place. Focus, scroll positions and open details stay.
'use strict';

(() => {
  const live = document.getElementById('live');
  if (!live || !live.dataset.refresh) return;

  const state = document.createElement('span');
  state.setAttribute('role', 'status');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet';
  button.textContent = 'Pause';
  live.append(' ', state, button);
  let paused = false;
  let busy = false;

  // Remember the focused element, to find its successor by its text or by its place.
  function remember(region) {
    const focused = document.activeElement;
    if (!region.contains(focused)) return null;
    const all = [...region.querySelectorAll('a, summary, [tabindex]')];
    return { text: focused.textContent, place: all.indexOf(focused), tag: focused.tagName };
  }

  function restore(region, was) {
    if (!was) return;
    const all = [...region.querySelectorAll('a, summary, [tabindex]')];
    const same = all.find((each) => each.tagName === was.tag && each.textContent === was.text);
    (same || all[was.place] || document.getElementById('main')).focus({ preventScroll: true });
  }

  async function replace(old, fresh) {
    if (old.innerHTML === fresh.innerHTML) return;
    const selection = document.getSelection();
    if (!selection.isCollapsed && old.contains(selection.anchorNode)) return;
    for (const details of old.querySelectorAll('details[id]')) {
      const successor = fresh.querySelector(`#${details.id}`);
      if (successor) successor.open = details.open;
    }
    const scrolled = [...old.querySelectorAll('.scroll')].map((each) => [each.scrollLeft, each.scrollTop]);
    const successor = document.importNode(fresh, true);
    // Show a picture only after it is loaded.
    for (const image of successor.querySelectorAll('img')) await image.decode().catch(() => {});
    const was = remember(old);
    old.replaceChildren(...successor.childNodes);
    [...old.querySelectorAll('.scroll')].forEach((each, place) => {
      [each.scrollLeft, each.scrollTop] = scrolled[place] || [0, 0];
    });
    restore(old, was);
  }

  async function refresh() {
    if (paused || busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
      if (answer.redirected) {
        const again = document.createElement('a');
        again.href = location.href;
        again.textContent = 'sign in again';
        state.replaceChildren('Session expired: ', again, ' ');
        return;
      }
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const olds = [...document.querySelectorAll('[data-live]')];
      const news = olds.map((old) => page.getElementById(old.id));
      // The page has other parts now, e.g. after the first message.
      if (news.includes(null) || page.querySelectorAll('[data-live]').length !== olds.length) {
        location.reload();
        return;
      }
      for (const [place, old] of olds.entries()) await replace(old, news[place]);
      document.title = page.title;
      state.replaceChildren();
      state.className = '';
    } catch (error) {
      state.className = 'stale';
      state.textContent = `Not up to date: the server does not answer (${error.message}). Retrying every ${live.dataset.refresh} s. `;
    } finally {
      busy = false;
    }
  }

  button.addEventListener('click', () => {
    paused = !paused;
    button.textContent = paused ? 'Resume' : 'Pause';
    refresh();
  });
  document.addEventListener('visibilitychange', refresh);
  // Tests use this event to refresh at once.
  document.addEventListener('otpconv:refresh', refresh);
  setInterval(refresh, Number(live.dataset.refresh) * 1000);
})();
