// parts.js -- small things that every view is made of. Text goes in as text, never as HTML.
import { explain } from './words.js';

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export function button(text, act, attributes = {}) {
  return make('button', { type: 'button', ...attributes, onclick: async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    await attempt(() => act(event));
    pressed.disabled = false;
  } }, text);
}

export function say(text, isBad = false) {
  const toast = make('p', { class: isBad ? 'bad' : 'good' }, text);
  document.getElementById('toasts').append(toast);
  setTimeout(() => toast.remove(), isBad ? 8000 : 3000);
}

// Does something; what it is refused for is said. Answers whether it was done.
export async function attempt(act) {
  try {
    await act();
    return true;
  } catch (e) {
    say(e.code ? explain(e) : String(e), true);
    return false;
  }
}

// Calls `act` soon, once, however often it is asked for.
export function soon(act, ms = 250) {
  let timer = null;
  return () => {
    if (timer === null) timer = setTimeout(() => { timer = null; act(); }, ms);
  };
}

// A list of which only the rows in sight exist: rows of one height, thousands of them.
export function longList(height, draw, label) {
  const inner = make('div', { class: 'rows' });
  const outer = make('div', { class: 'long', role: 'listbox', tabindex: '0', 'aria-label': label }, inner);
  let items = [];
  const show = () => {
    const first = Math.max(0, Math.floor(outer.scrollTop / height) - 5);
    const last = Math.min(items.length, first + Math.ceil((outer.clientHeight || 600) / height) + 10);
    inner.style.height = `${items.length * height}px`;
    inner.replaceChildren(...items.slice(first, last).map((item, i) => {
      const row = draw(item);
      row.style.top = `${(first + i) * height}px`;
      row.setAttribute('aria-setsize', items.length);
      row.setAttribute('aria-posinset', first + i + 1);
      return row;
    }));
  };
  outer.addEventListener('scroll', show, { passive: true });
  new ResizeObserver(show).observe(outer);
  return {
    node: outer,
    show,
    set(now) { items = now; show(); },
    reveal(index) {
      const top = index * height;
      if (top < outer.scrollTop) outer.scrollTop = top;
      else if (top + height > outer.scrollTop + outer.clientHeight) outer.scrollTop = top + height - outer.clientHeight;
      show();
    },
  };
}
