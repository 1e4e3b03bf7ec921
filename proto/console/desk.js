// desk.js -- a dispatcher's view: the queue, an order beside the map, its candidates, what happens.
import { all, call, follow, write } from './api.js';
import { openMap, showOrder } from './map.js';
import { attempt, button, longList, make, say, soon } from './parts.js';
import { rating } from './place.js';
import { clock, label, metres, remaining, t } from './words.js';

const ROW = 52;
const RANKS = { emergency: 0, urgent: 1, routine: 2 };

export async function openDesk(view, who, line) {
  const region = who.region || 4413;
  const state = { queue: [], shown: [], cursor: null, order: null, candidates: [], misfits: {}, chosen: new Set(), places: new Map(), find: '' };

  const search = make('input', { type: 'search', placeholder: t('search'), 'aria-label': t('search') });
  const count = make('strong', { id: 'waiting' });
  const list = longList(ROW, drawRow, t('waiting'));
  const detail = make('section', { class: 'detail', 'aria-label': t('candidates') }, make('p', { class: 'empty' }, t('choose')));
  const mapNode = make('div', { class: 'map', role: 'region', 'aria-label': t('map') });
  const ticker = make('ol', { class: 'ticker', 'aria-label': t('events') });
  const banner = make('p', { id: 'banner', role: 'alert', class: 'late' });
  const held = make('ul', { id: 'held' });
  const heldBox = make('details', { hidden: true }, make('summary', {}, t('held'), ' ', make('b')), held);
  view.replaceChildren(make('div', { class: 'desk' },
    make('section', { class: 'queue' }, banner, make('h2', {}, t('waiting'), ' ', count), heldBox, search, list.node, make('p', { class: 'keys' }, t('keys'))),
    detail, make('aside', {}, mapNode, make('h2', {}, t('events')), ticker)));
  const map = await openMap(mapNode);

  function drawRow(o) {
    const due = remaining(o.due_at);
    return make('div', {
      class: `row ${o.priority}${o.order === state.cursor ? ' chosen' : ''}`, role: 'option', 'data-order': o.order,
      'aria-selected': o.order === state.cursor ? 'true' : 'false', onclick: () => attempt(() => open(o.order)),
    },
    make('b', {}, `#${o.order % 2 ** 43} `, make('i', { class: 'badge' }, label('priorities', o.priority))),
    make('span', { class: 'what' }, label('skills', o.category), ' · ', o.region_name || o.region),
    make('span', { class: due === t('overdue') ? 'due late' : 'due' }, due),
    make('small', {}, `${o.covered}/${o.headcount} ${t('people')} · ${label('levels', o.level)}${o.claimed_by ? ` · ${o.claimed_by}` : ''}`));
  }

  function filter() {
    const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (o) => `${o.order} ${o.region_name} ${label('skills', o.category)} ${o.category} ${o.priority} ${label('priorities', o.priority)}`.toLowerCase();
    state.shown = words.length === 0 ? state.queue : state.queue.filter((o) => words.every((w) => text(o).includes(w)));
    list.set(state.shown);
    count.textContent = state.queue.length;
  }

  const arrange = () => {
    state.queue.sort((a, b) => RANKS[a.priority] - RANKS[b.priority] || (a.due_at || Infinity) - (b.due_at || Infinity) || a.order - b.order);
    filter();
  };
  const load = async () => {
    changed.clear();
    state.queue = await all('queue.list', { region });
    arrange();
  };
  const loadSoon = soon(() => attempt(load), 400);

  // The queue follows the events: the orders that they are about are looked at again, and no others.
  const changed = new Set();
  const isWaiting = (o) => !o.suspended && (o.state === 'ready' ||
    (o.state === 'offered' && o.covered + o.pending < o.headcount && !['auto', 'broadcast'].includes(o.mode)));
  const lookAgain = soon(async () => {
    const numbers = [...changed];
    changed.clear();
    if (numbers.length > 100) return attempt(load);
    const fresh = await Promise.all(numbers.map((order) => call('order.get', { order }).catch(() => null)));
    state.queue = state.queue.filter((o) => !numbers.includes(o.order)).concat(fresh.filter((o) => o && isWaiting(o)));
    return arrange();
  }, 400);

  async function open(number) {
    state.cursor = number;
    list.show();
    const order = await call('order.get', { order: number });
    if (state.cursor !== number) return; // somebody who goes through the queue is further on already
    if (state.order?.order !== number) state.chosen.clear();
    state.order = order;
    const isOpen = ['ready', 'offered'].includes(state.order.state);
    const found = isOpen ? await call('order.candidates', { order: number, limit: 20, reasons: true }) : { items: [], misfits: {} };
    if (state.cursor !== number) return;
    state.candidates = found.items;
    state.misfits = found.misfits;
    list.show();
    drawDetail();
    await Promise.all(found.items.filter((c) => !state.places.has(c.org)).map((c) => call('org.get', { org: c.org })
      .then((org) => state.places.set(c.org, org), () => {})));
    if (state.order.order === number) showOrder(map, state.order, state.candidates, state.places, state.chosen);
  }
  const openCursor = soon(() => attempt(() => open(state.cursor)), 120);
  const openAgain = soon(() => state.order && attempt(() => open(state.order.order)), 300);

  const parts = (c) => make('span', { class: 'parts', 'aria-hidden': 'true' }, Object.entries(c.parts).map(([name, value]) =>
    make('i', { title: `${t(name)} ${value}`, style: `--share:${value / 10}%` }, t(name))));

  function drawCandidate(c, i) {
    const box = make('input', { type: 'checkbox', id: `org-${c.org}`, onchange: () => choose(c.org) });
    box.checked = state.chosen.has(c.org);
    return make('li', { 'data-org': c.org }, box, make('label', { for: `org-${c.org}` },
      make('b', {}, `${i + 1}. ${c.org_name}`), ` ${t('score')} ${c.score} · ${metres(c.distance_m)} · ${clock(c.start_at)} · ${c.people} ${t('people')}`, parts(c)));
  }

  function drawOffer(f) {
    return make('li', { class: f.state }, `${f.org_name || f.org} · ${label('offer_states', f.state)} · ${f.people} ${t('people')}`,
      f.state === 'pending' ? make('time', {}, ` ${t('due')} ${clock(f.expires_at)} (${remaining(f.expires_at)})`) : '');
  }

  function drawDetail() {
    const o = state.order;
    const isOpen = ['ready', 'offered'].includes(o.state);
    const why = Object.entries(state.misfits || {}).filter(([, n]) => n > 0).map(([word, n]) => `${label('misfits', word)} ${n}`).join('；');
    detail.replaceChildren(
      make('h2', {}, `#${o.order % 2 ** 43} ${label('skills', o.category)} `, make('i', { class: `badge ${o.priority}` }, label('priorities', o.priority)),
        ' ', make('i', { class: 'badge', id: 'order-state' }, label('states', o.state))),
      make('p', {}, `${o.region_name || o.region} · ${clock(o.starts_at)} – ${clock(o.ends_at)} · ${o.minutes} ${t('minutes')} · ${o.covered}/${o.headcount} ${t('people')} · ${t('level')} ${label('levels', o.level)}`),
      o.claimed_by ? make('p', {}, `${t('claimed_by')} ${o.claimed_by}`) : '',
      isOpen ? make('div', { class: 'acts' },
        button(t('claim'), claim, { id: 'claim' }), button(t('release'), release), button(t('dispatch'), dispatch, { id: 'dispatch', class: 'main' }),
        button(t('auto'), engine, { id: 'auto' }), button(t('escalate'), () => act('order.escalate', { reason: 'other' }))) : '',
      o.state === 'done' ? rating(o.order, openAgain) : '',
      make('h3', {}, t('candidates')),
      state.candidates.length ? make('ol', { class: 'candidates' }, state.candidates.map(drawCandidate)) : make('p', { class: 'empty' }, t('nobody_fits')),
      why ? make('p', { class: 'why' }, `${t('others_why')}: ${why}`) : '',
      make('h3', {}, t('offers')), make('ul', { class: 'offers' }, (o.offers || []).map(drawOffer)));
  }

  function choose(org) {
    if (!state.chosen.delete(org)) state.chosen.add(org);
    drawDetail();
    showOrder(map, state.order, state.candidates, state.places, state.chosen);
  }

  async function act(method, more = {}) {
    if (!state.order) return;
    await write(method, { order: state.order.order, ...more });
    say(t('done'));
    changed.add(state.order.order);
    lookAgain();
    await open(state.order.order);
  }
  const claim = () => act('queue.claim');
  const release = () => act('queue.release');
  const engine = () => act('order.dispatch', { mode: 'auto' });
  const dispatch = async () => {
    const orgs = state.chosen.size ? [...state.chosen] : state.candidates.slice(0, 1).map((c) => c.org);
    if (orgs.length) await act('order.dispatch', { orgs });
    state.chosen.clear();
  };

  function move(by) {
    const now = state.shown.findIndex((o) => o.order === state.cursor);
    const next = Math.min(state.shown.length - 1, Math.max(0, now + by));
    if (state.shown.length === 0) return;
    state.cursor = state.shown[next].order; // at once; what it holds follows
    list.reveal(next);
    openCursor();
  }

  // Emergencies of the region, and hours that wait for somebody's word.
  const heldAre = ['record_held', 'record_certified', 'record_refused'];
  async function loadSides() {
    const [open, records, high] = await Promise.all([call('emergency.list'), call('record.list', { record_state: 'review' }), call('record.list', { record_state: 'review_high' })]);
    banner.textContent = open.items.map((e) => `${t('in_emergency')}: ${e.region_name} ${t('until')} ${clock(e.until)}`).join('；');
    const items = [...records.items, ...high.items];
    const review = (record, grant) => async () => {
      await write('record.review', grant ? { record, grant } : { record, grant, reason: 'wrong_report' });
      await loadSides();
    };
    heldBox.hidden = items.length === 0;
    heldBox.querySelector('b').textContent = items.length;
    held.replaceChildren(...items.map((r) => make('li', { 'data-record': r.record }, `${r.date} · ${t('volunteer')} ${r.volunteer} · ${r.minutes} ${t('minutes')} · ${label('record_states', r.record_state)} `,
      button(t('grant'), review(r.record, true), { class: 'grant' }), button(t('refuse'), review(r.record, false)))));
  }
  const loadSidesSoon = soon(() => attempt(loadSides), 300);

  const keys = { j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1), '/': () => search.focus(),
    c: () => attempt(claim), d: () => attempt(dispatch), a: () => attempt(engine) };
  function onKey(event) {
    if (event.target instanceof HTMLInputElement && event.target.type !== 'checkbox') {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = Number(event.key);
    if (digit >= 1 && digit <= 9 && state.candidates[digit - 1]) choose(state.candidates[digit - 1].org);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  }

  function tell(event) {
    ticker.prepend(make('li', {}, make('time', {}, clock(event.at)), ` #${(event.order || 0) % 2 ** 43} ${label('events', event.kind)}`,
      event.reason ? ` · ${label('reasons', event.reason)}` : ''));
    while (ticker.children.length > 60) ticker.lastChild.remove();
    if (event.order) changed.add(event.order);
    lookAgain();
    if (heldAre.includes(event.kind) || event.kind.startsWith('emergency')) loadSidesSoon();
    if (event.order === state.order?.order) openAgain();
  }

  search.addEventListener('input', () => { state.find = search.value; filter(); });
  document.addEventListener('keydown', onKey);
  const timer = setInterval(list.show, 30000);
  await attempt(load);
  await attempt(loadSides);
  const stop = follow({ region }, tell, (isUp) => { line(isUp); if (isUp) loadSoon(); });
  return () => { stop(); clearInterval(timer); document.removeEventListener('keydown', onKey); map.close(); };
}
