// board.js -- a supervisor's view: the volunteer map, demand by category and state, what is late.
import { all, call, follow } from './api.js';
import { openMap, showCells } from './map.js';
import { attempt, make, soon } from './parts.js';
import { clock, label, t } from './words.js';

export async function openBoard(view, who, line) {
  const region = who.region || 4413;
  const mapNode = make('div', { class: 'map', role: 'img', 'aria-label': t('board') });
  const states = make('table');
  const categories = make('table', { class: 'bars' });
  const late = make('ul', { class: 'late' });
  view.replaceChildren(make('div', { class: 'board' }, make('section', {}, make('h2', {}, t('board')), mapNode, make('p', { class: 'legend' }, make('i', { class: 'supply' }), t('organisations'), ' ', make('i', { class: 'demand' }), t('orders'))),
    make('section', {}, make('h3', {}, t('by_state')), states, make('h3', {}, t('by_category')), categories, make('h3', {}, t('late_and_high')), late)));
  const map = await openMap(mapNode);

  function drawStates(summary) {
    states.replaceChildren(...Object.entries(summary.states).map(([word, n]) => make('tr', {}, make('th', { scope: 'row' }, label('states', word)), make('td', {}, n))));
  }

  function drawCategories(summary) {
    const sums = new Map();
    for (const item of summary.items) sums.set(item.category, (sums.get(item.category) || 0) + item.orders);
    const rows = [...sums].sort((a, b) => b[1] - a[1]);
    const most = rows.length ? rows[0][1] : 1;
    categories.replaceChildren(...rows.map(([word, n]) => make('tr', {}, make('th', { scope: 'row' }, label('skills', word)),
      make('td', {}, make('i', { class: 'bar', style: `--share:${(100 * n) / most}%` }), ` ${n < 5 ? t('few') : n}`))));
  }

  async function load() {
    const [summary, cells, waiting] = await Promise.all([call('stats.summary', { region }), call('map.cells'), all('queue.list', { region })]);
    drawStates(summary);
    drawCategories(summary);
    showCells(map, cells.items, t('few'));
    const now = Date.now();
    const urgent = waiting.filter((o) => (o.due_at && o.due_at < now) || o.level !== 'village').slice(0, 100);
    late.replaceChildren(...urgent.map((o) => make('li', {}, `#${o.order % 2 ** 43} ${label('skills', o.category)} · ${o.region_name} · ${label('levels', o.level)} · ${t('due')} ${clock(o.due_at)}`)));
  }

  await attempt(load);
  const loadSoon = soon(() => attempt(load), 2000);
  const stop = follow({ region }, loadSoon, line);
  return () => { stop(); map.close(); };
}
