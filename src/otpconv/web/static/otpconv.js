// What scripts add to the pages, which work without: search as one types, and buttons that copy.
'use strict';

for (const input of document.querySelectorAll('input[data-filter]')) {
  const list = document.getElementById(input.dataset.filter);
  const found = document.getElementById('found');
  const none = document.getElementById('none');
  // The server has answered a search with what fits alone; to search on, all are needed.
  if (new URLSearchParams(location.search).get('q')) continue;
  input.addEventListener('input', () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const section of list.querySelectorAll('section')) {
      let here = 0;
      for (const item of section.querySelectorAll('li')) {
        const text = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        here += !item.hidden;
      }
      section.hidden = !here;
      count += here;
    }
    found.textContent = `${count} ${count === 1 ? 'code' : 'codes'}`;
    none.hidden = count > 0;
  });
}

for (const block of document.querySelectorAll('.copyable > pre')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });
  block.after(button);
}

const id = document.getElementById('access_key_id');
id?.addEventListener('input', () => {
  // A pasted ID:SECRET: the secret goes where it is not shown.
  const [, first, secret] = /^\s*([^:]*):(\S+)\s*$/.exec(id.value) ?? [];
  if (!secret) return;
  id.value = first;
  document.getElementById('access_key_secret').value = secret;
});
