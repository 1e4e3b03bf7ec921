// place.js -- 点单: placing an order, for oneself or for somebody, once or every week; and rating it after.
import { call, follow, write } from './api.js';
import { field, form, given, instant, number, options, text } from './forms.js';
import { attempt, button, make, say, soon } from './parts.js';
import { categories, clock, label, reasonsFor, t, words } from './words.js';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const KEPT = 'paidan.placed'; // numbers only, of this window

export function rating(order, after) {
  const rate = (stars, rework) => async () => {
    await write('order.rate', given({ order, stars, rework }));
    say(t('done'));
    after();
  };
  return make('div', { class: 'acts rating', role: 'group', 'aria-label': t('rate') }, make('span', {}, t('rate')),
    [1, 2, 3, 4, 5].map((n) => button('★'.repeat(n), rate(n), { 'data-stars': n, 'aria-label': `${n} ${t('stars')}` })), button(t('rework'), rate(1, true), { class: 'rework' }));
}

export async function openPlace(view, who, line) {
  const placed = JSON.parse(sessionStorage.getItem(KEPT) || '[]');
  const list = make('ul', { class: 'cards', id: 'placed' });
  const node = form({ id: 'place', class: 'place' }, send,
    make('fieldset', {}, make('legend', {}, t('what')),
      field({ name: 'category', text: t('category'), required: true, options: [['', ''], ...categories()] }),
      field({ name: 'priority', text: t('priority'), options: words('priorities') }),
      field({ name: 'headcount', text: t('headcount'), inputmode: 'numeric', value: 1 }),
      field({ name: 'minutes', text: t('minutes'), inputmode: 'numeric', value: 60 }),
      field({ name: 'groups', text: t('groups'), options: [['', ''], ...words('groups')] }),
      field({ name: 'mode', text: t('mode'), options: words('modes') })),
    make('fieldset', {}, make('legend', {}, t('where')),
      field({ name: 'county', text: t('county'), options: [] }), field({ name: 'town', text: t('town'), options: [] }),
      field({ name: 'region', text: t('community'), required: true, options: [] })),
    make('fieldset', {}, make('legend', {}, t('when')), field({ name: 'starts_at', text: t('from'), type: 'datetime-local' }), field({ name: 'ends_at', text: t('until'), type: 'datetime-local' }),
      field({ name: 'repeat', text: t('every_week'), options: [['', t('once')], ...DAYS.map((d) => [d, t(d)])] }),
      field({ name: 'hours', text: t('hours'), placeholder: '09:00-11:00' }), field({ name: 'last_date', text: t('last_date'), type: 'date' })),
    make('fieldset', {}, make('legend', {}, t('who')),
      field({ name: 'contact.name', text: t('name'), autocomplete: 'off' }), field({ name: 'contact.phone', text: t('phone'), type: 'tel', autocomplete: 'off' }),
      field({ name: 'contact.address', text: t('address'), autocomplete: 'off' }), field({ name: 'note', text: t('note') }),
      field({ name: 'relation', text: t('relation'), options: [['', t('oneself')], ...reasonsFor('proxy').map((r) => [r.reason, r.text])] }),
      field({ name: 'contact.proxy_name', text: t('proxy_name'), autocomplete: 'off' }), field({ name: 'contact.proxy_phone', text: t('proxy_phone'), type: 'tel', autocomplete: 'off' })),
    make('button', { class: 'main', id: 'send' }, t('place')));
  view.replaceChildren(make('div', { class: 'placing' }, make('section', {}, make('h2', {}, t('place')), node), make('section', {}, make('h2', {}, t('mine')), list)));

  // County, town, community: each follows from the one before, and none is above what the caller may see.
  const below = async (region) => (await call('region.list', { region, limit: 1000 })).items;
  const pairs = (regions) => regions.map((r) => [r.region, r.name]);
  async function fill(name, region) {
    options(node, name, region ? pairs(await below(region)) : []);
  }
  async function fillTowns() {
    await fill('town', Number(node.elements.county.value));
    await fillCommunities();
  }
  async function fillCommunities() {
    await fill('region', Number(node.elements.town.value));
  }
  async function fillPlaces() {
    const mine = who.region ? await call('region.get', { region: who.region }) : { region: 4413, level: 'city' };
    const chain = { village: ['region'], town: ['town', 'region'], county: ['county', 'town', 'region'] }[mine.level];
    if (!chain) {
      await fill('county', mine.region);
      return fillTowns();
    }
    for (const box of node.querySelectorAll('[data-field=county], [data-field=town]')) box.hidden = !chain.includes(box.dataset.field);
    options(node, chain[0], pairs([mine]));
    if (chain[0] === 'county') return fillTowns();
    return chain[0] === 'town' ? fillCommunities() : undefined;
  }

  async function send() {
    const contact = given({ name: text(node, 'contact.name'), phone: text(node, 'contact.phone'), address: text(node, 'contact.address'),
      proxy_name: text(node, 'contact.proxy_name'), proxy_phone: text(node, 'contact.proxy_phone') });
    const groups = text(node, 'groups');
    const wish = given({ region: number(node, 'region'), category: text(node, 'category'), priority: text(node, 'priority'), headcount: number(node, 'headcount'),
      minutes: number(node, 'minutes'), mode: text(node, 'mode'), groups: groups ? [groups] : [], note: text(node, 'note'),
      contact: Object.keys(contact).length ? contact : undefined });
    const day = text(node, 'repeat');
    if (day) {
      const made = await write('series.put', given({ ...wish, repeat: `${day} ${text(node, 'hours')}`, last_date: text(node, 'last_date') || undefined, proxy: text(node, 'relation') ? true : undefined }));
      say(`${t('recurs')} #${made.series % 2 ** 43} · ${clock(made.next_at)}`);
      return node.reset();
    }
    const made = await write('order.place', given({ ...wish, starts_at: instant(node, 'starts_at'), ends_at: instant(node, 'ends_at'), relation: text(node, 'relation') }));
    placed.unshift(made.order);
    sessionStorage.setItem(KEPT, JSON.stringify(placed.slice(0, 50)));
    say(`${t('placed')} #${made.order % 2 ** 43}`);
    for (const name of ['contact.name', 'contact.phone', 'contact.address', 'note', 'contact.proxy_name', 'contact.proxy_phone']) node.elements[name].value = '';
    return load();
  }

  function draw(o) {
    return make('li', { 'data-order': o.order }, make('b', {}, `#${o.order % 2 ** 43} ${label('skills', o.category)} `, make('i', { class: 'badge' }, label('states', o.state))),
      make('p', {}, `${o.region_name} · ${clock(o.start_at || o.starts_at)} · ${o.minutes} ${t('minutes')}`),
      (o.offers || []).filter((f) => ['accepted', 'serving', 'completed'].includes(f.state)).map((f) => make('p', {}, `${f.org_name} · ${label('offer_states', f.state)}`)),
      o.state === 'done' ? rating(o.order, load) : o.stars ? make('p', { class: 'stars' }, '★'.repeat(o.stars)) : '');
  }
  async function load() {
    const orders = await Promise.all(placed.slice(0, 20).map((order) => call('order.get', { order }).catch(() => null)));
    list.replaceChildren(...orders.filter(Boolean).map(draw));
    if (list.children.length === 0) list.append(make('li', { class: 'empty' }, t('none_yet')));
  }

  node.elements.county.addEventListener('change', () => attempt(fillTowns));
  node.elements.town.addEventListener('change', () => attempt(fillCommunities));
  await attempt(fillPlaces);
  await attempt(load);
  const loadSoon = soon(() => attempt(load), 300);
  return follow(who.region ? { region: who.region } : {}, (event) => { if (placed.includes(event.order)) loadSoon(); }, (isUp) => { line(isUp); if (isUp) loadSoon(); });
}
