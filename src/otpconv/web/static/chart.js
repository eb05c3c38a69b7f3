// Adds to the chart over time: values under the pointer and by the arrow keys, and a zoom by dragging.
// The values are those of the table below the chart, as the server has written them.
'use strict';

(() => {
  /**
   * A step of the chart.
   * @typedef {Object} Step
   * @property {number} start - ms.
   * @property {number} end - ms.
   * @property {string} time - when it began, in words.
   * @property {[string, string][]} values - names and values.
   * @property {string[]} notes - the texts of annotations.
   */

  /** @type {HTMLElement | null} */
  const plot = document.getElementById('plot');
  if (!plot || !plot.querySelector('tr[data-start]')) return;

  /**
   * @param {string} name - the name of a class.
   * @returns {HTMLElement}
   */
  function element(name) {
    const made = document.createElement('div');
    made.className = name;
    return made;
  }

  const narrow = matchMedia('(max-width: 50rem)');
  const area = element('chart-area');
  const cursor = element('chart-cursor');
  const range = element('chart-range');
  const readout = element('chart-readout');
  const spoken = element('visually-hidden');
  area.tabIndex = 0;
  area.setAttribute('role', 'group');
  area.setAttribute('aria-label', 'Chart. Arrow keys read the values, Shift and arrow keys select a range, Enter zooms in, Escape cancels.');
  spoken.setAttribute('aria-live', 'polite');
  spoken.id = 'chart-spoken';
  area.append(range, cursor, readout);
  plot.append(area, spoken);

  /** The step that is shown, and where a selection began; -1 for none. */
  let shown = -1;
  let anchor = -1;
  /** Where the pointer went down, px; null while it is up. */
  let pressed = null;

  /** @returns {DOMStringMap} what the server says about the chart. */
  const told = () => plot.querySelector('[data-wide]').dataset;

  /** @returns {Step[]} */
  function steps() {
    const names = [...plot.querySelectorAll('thead th')].map((head) => head.textContent.trim());
    const length = Number(told().step);
    return [...plot.querySelectorAll('tr[data-start]')].map((row) => {
      const cells = [...row.querySelectorAll('td')];
      const start = Number(row.dataset.start);
      return {
        start,
        end: start + length,
        time: row.querySelector('th').dataset.time,
        values: cells.map((cell, place) => [names[place + 1], cell.textContent.replace(/\s+/g, ' ').trim()]),
        notes: [...row.querySelectorAll('.note')].map((note) => note.textContent.trim()),
      };
    });
  }

  /** Put the area over the plots of the picture. */
  function place() {
    const [left, top, width, height, whole] = told()[narrow.matches ? 'narrow' : 'wide'].split(' ').map(Number);
    const picture = plot.querySelector('img').getBoundingClientRect();
    const outer = plot.getBoundingClientRect();
    const scale = picture.width / whole;
    area.style.left = `${picture.left - outer.left + left * scale}px`;
    area.style.top = `${picture.top - outer.top + top * scale}px`;
    area.style.width = `${width * scale}px`;
    area.style.height = `${height * scale}px`;
  }

  /**
   * Show a step, or nothing.
   * @param {number} step - its place; -1 for none.
   * @param {boolean} aloud - whether a screen reader shall read it.
   */
  function show(step, aloud) {
    const all = steps();
    shown = Math.max(-1, Math.min(step, all.length - 1));
    area.classList.toggle('shown', shown >= 0);
    area.classList.toggle('selecting', shown >= 0 && anchor >= 0);
    if (shown < 0) {
      spoken.textContent = '';
      return;
    }
    const { time, values, notes } = all[shown];
    across(cursor, all, shown, shown);
    if (anchor >= 0) across(range, all, Math.min(anchor, shown), Math.max(anchor, shown));
    readout.classList.toggle('left', shown >= all.length / 2);
    readout.style[shown >= all.length / 2 ? 'right' : 'left'] = `${shown >= all.length / 2 ? 100 - (100 * shown) / all.length : (100 * (shown + 1)) / all.length}%`;
    readout.style[shown >= all.length / 2 ? 'left' : 'right'] = 'auto';
    const lines = [time, ...values.filter(([, value]) => value).map(([name, value]) => `${name}: ${value}`), ...notes];
    readout.replaceChildren(...lines.map((line, number) => {
      const made = document.createElement(number ? 'span' : 'strong');
      if (number > values.length) made.className = 'note';
      made.textContent = line;
      return made;
    }));
    if (aloud) spoken.textContent = lines.join(', ');
  }

  /**
   * Let an element reach from one step to another.
   * @param {HTMLElement} made
   * @param {Step[]} all
   * @param {number} first
   * @param {number} last
   */
  function across(made, all, first, last) {
    made.style.left = `${(100 * first) / all.length}%`;
    made.style.width = `${(100 * (last - first + 1)) / all.length}%`;
  }

  /** Show the selected steps alone: the URL has their window. */
  function zoom() {
    const all = steps();
    const [first, last] = [Math.min(anchor, shown), Math.max(anchor, shown)];
    const minute = (time) => new Date(time).toISOString().replace(/:\d\d\.\d+Z$/, 'Z');
    const url = new URL(location.href);
    url.searchParams.delete('window');
    url.searchParams.set('start', minute(all[first].start));
    url.searchParams.set('end', last === all.length - 1 ? told().until : minute(all[last].end));
    url.searchParams.set('compare', told().compare);
    anchor = -1;
    location.assign(url);
  }

  /**
   * @param {PointerEvent} event
   * @returns {number} the step under the pointer.
   */
  function under(event) {
    const box = area.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const count = steps().length;
    return Math.max(0, Math.min(count - 1, Math.floor(share * count)));
  }

  function cancel() {
    anchor = -1;
    pressed = null;
    show(shown, false);
  }

  area.addEventListener('pointerenter', place);
  area.addEventListener('pointermove', (event) => {
    if (pressed !== null && anchor < 0 && Math.abs(event.clientX - pressed) > 4) anchor = shown;
    show(under(event), false);
  });
  area.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // no selection of text
    area.focus({ preventScroll: true });
    area.setPointerCapture(event.pointerId);
    anchor = -1;
    show(under(event), false);
    pressed = event.clientX;
  });
  area.addEventListener('pointerup', () => {
    pressed = null;
    if (anchor >= 0) zoom();
  });
  area.addEventListener('pointercancel', cancel);
  area.addEventListener('pointerleave', () => {
    if (pressed === null && document.activeElement !== area) show(-1, false);
  });
  area.addEventListener('focus', place);
  area.addEventListener('blur', () => {
    anchor = -1;
    show(-1, false);
  });
  area.addEventListener('keydown', (event) => {
    const count = steps().length;
    const moves = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: count - 1, PageUp: shown - 10, PageDown: shown + 10 };
    if (event.key in moves && !event.altKey && !event.ctrlKey && !event.metaKey) {
      if (!event.shiftKey) anchor = -1;
      else if (anchor < 0) anchor = Math.max(0, shown);
      const step = shown < 0 && event.key === 'ArrowLeft' ? count - 1 : moves[event.key];
      show(Math.max(0, step), true);
    } else if (event.key === 'Enter' && anchor >= 0) {
      zoom();
    } else if (event.key === 'Escape') {
      if (anchor >= 0 || pressed !== null) cancel();
      else show(-1, false);
    } else {
      return;
    }
    event.preventDefault();
  });
  // An annotation below the chart shows its step.
  plot.addEventListener('pointerover', (event) => {
    const note = event.target instanceof Element && event.target.closest('li[data-at]');
    if (!note) return;
    place();
    show(steps().findIndex((step) => step.end > Number(note.dataset.at)), false);
  });
  // A refresh replaces the picture and the table.
  new MutationObserver(() => {
    place();
    if (shown >= 0) show(shown, false);
  }).observe(document.getElementById('chart'), { childList: true });
  addEventListener('resize', place);
  plot.querySelector('img').addEventListener('load', place);
  place();
})();
