// board.js -- a supervisor's view: the volunteer map, supply against demand, what is late, who is active,
// and the emergency mode.
/* global Chart */
import { all, call, follow, write } from './api.js';
import { field, form, given, instant, text } from './forms.js';
import { openMap, showCells } from './map.js';
import { attempt, button, make, say, soon } from './parts.js';
import { clock, label, reasonsFor, t } from './words.js';

const BELOW = { city: 'county', county: 'town', town: 'village', village: 'village' };
const few = (row) => (row.few === undefined ? row.orders : row.few ? t('few') : 0);

export async function openBoard(view, who, line) {
  const region = who.region || 4413;
  const path = []; // the regions that were looked into, outermost first
  const mapNode = make('div', { class: 'map', role: 'region', 'aria-label': t('board') });
  const states = make('table');
  const places = make('table', { id: 'places' });
  const crumbs = make('p', { class: 'crumbs' });
  const circle = make('p', { id: 'circle' });
  const late = make('ul', { class: 'late' });
  const active = make('ol', { id: 'activity' });
  const emergencies = make('ul', { id: 'emergencies' });
  const canvases = [make('canvas', { id: 'supply-chart', role: 'img', 'aria-label': t('supply_demand') }), make('canvas', { id: 'spread-chart', role: 'img', 'aria-label': t('spread') })];
  const open = form({ id: 'emergency', class: 'acts' }, openEmergency,
    field({ name: 'until', text: t('until'), type: 'datetime-local', required: true }),
    field({ name: 'reason', text: t('reason'), required: true, options: reasonsFor('emergency').map((r) => [r.reason, r.text]) }),
    make('button', { class: 'bad' }, t('emergency_open')));
  view.replaceChildren(make('div', { class: 'board' },
    make('section', {}, make('h2', {}, t('board')), mapNode,
      make('p', { class: 'legend' }, make('i', { class: 'supply' }), t('organisations'), ' ', make('i', { class: 'demand' }), t('orders')),
      circle, crumbs, places, make('h3', {}, t('supply_demand')), make('div', { class: 'chart' }, canvases[0])),
    make('section', {}, make('h3', {}, t('emergency')), emergencies, open, make('h3', {}, t('by_state')), states,
      make('h3', {}, t('late_and_high')), late, make('h3', {}, t('most_active')), active, make('div', { class: 'chart low' }, canvases[1]))));
  const map = await openMap(mapNode);
  const charts = [];

  function chart(i, type, labels, datasets, extra = {}) {
    if (charts[i]) {
      Object.assign(charts[i].data, { labels, datasets });
      return charts[i].update('none');
    }
    charts[i] = new Chart(canvases[i], { type, data: { labels, datasets }, options: { animation: false, responsive: true, maintainAspectRatio: false, ...extra } });
    return undefined;
  }

  function drawStates(summary) {
    states.replaceChildren(...Object.entries(summary.states).map(([word, n]) => make('tr', {}, make('th', { scope: 'row' }, label('states', word)), make('td', {}, n))));
  }

  const share = (row) => (row.in_circle === undefined || !row.orders ? '–' : `${Math.round((100 * row.in_circle) / row.orders)} %`);

  function drawSupply(survey) {
    const here = path.at(-1);
    circle.textContent = `${t('circle')}（${survey.circle_m} m）: ${share(survey)}`;
    crumbs.replaceChildren(button(t('whole'), () => { path.length = 0; return load(); }), ...path.map((step, i) => button(step.name, () => { path.length = i + 1; return load(); })));
    places.replaceChildren(make('thead', {}, make('tr', {}, [t('place_name'), t('organisations'), t('people'), t('orders'), t('in_circle')].map((h) => make('th', { scope: 'col' }, h)))),
      make('tbody', {}, survey.items.map((row) => make('tr', {}, make('th', { scope: 'row' }, row.level === 'village' || row.region === here?.region ? row.name
        : button(row.name, () => { path.push({ region: row.region, name: row.name, level: row.level }); return load(); }, { class: 'link' })),
      [row.orgs, row.capacity, few(row), share(row)].map((cell) => make('td', {}, cell))))));
    const rows = survey.categories.filter((c) => c.orgs || c.orders);
    chart(0, 'bar', rows.map((c) => label('skills', c.category)), [
      { label: t('organisations'), data: rows.map((c) => c.orgs), backgroundColor: '#2e7d32' },
      { label: t('orders'), data: rows.map((c) => c.orders || 0), backgroundColor: '#c62828' }], { indexAxis: 'y', scales: { y: { ticks: { autoSkip: false } } } });
  }

  function drawActivity(ranking) {
    active.replaceChildren(...ranking.items.map((o) => make('li', {}, `${o.name} · ${t('activity')} ${o.activity} · ${o.recent_hours.toFixed(1)} ${t('hours_of_late')}`)));
    if (active.children.length === 0) active.append(make('li', { class: 'empty' }, t('none_yet')));
    chart(1, 'bar', ranking.deciles.map((_, i) => `${i * 100}+`), [{ label: t('spread'), data: ranking.deciles, backgroundColor: '#0b5cad' }]);
  }

  function drawEmergencies(list) {
    emergencies.replaceChildren(...list.items.map((e) => make('li', { class: 'late' }, `${e.region_name} · ${t('until')} ${clock(e.until)} `,
      button(t('emergency_close'), async () => { await write('emergency.close', { region: e.region, reason: 'other' }); await load(); }))));
    if (list.items.length === 0) emergencies.append(make('li', { class: 'empty' }, t('no_emergency')));
  }

  async function openEmergency(node) {
    await write('emergency.open', given({ region: path.at(-1)?.region || region, until: instant(node, 'until'), reason: text(node, 'reason') }));
    say(t('done'));
    await load();
  }

  async function load() {
    const here = path.at(-1);
    const scope = { region: here?.region || region };
    const mine = here || (await call('region.get', { region }));
    const [summary, cells, waiting, survey, ranking, opened] = await Promise.all([call('stats.summary', scope), call('map.cells'), all('queue.list', scope),
      call('map.regions', { ...scope, level: BELOW[mine.level] || 'county' }), call('map.activity', { ...scope, limit: 10 }), call('emergency.list')]);
    if (map.isClosed) return;
    drawStates(summary);
    drawSupply(survey);
    drawActivity(ranking);
    drawEmergencies(opened);
    showCells(map, cells.items, t('few'));
    const now = Date.now();
    const urgent = waiting.filter((o) => (o.due_at && o.due_at < now) || o.level !== 'village').slice(0, 100);
    late.replaceChildren(...urgent.map((o) => make('li', {}, `#${o.order % 2 ** 43} ${label('skills', o.category)} · ${o.region_name} · ${label('levels', o.level)} · ${t('due')} ${clock(o.due_at)}`)));
  }

  await attempt(load);
  const loadSoon = soon(() => attempt(load), 2000);
  const stop = follow({ region }, loadSoon, line);
  return () => { stop(); charts.forEach((c) => c.destroy()); map.close(); };
}
