// team.js -- an organisation's view: what is offered to it, what it has under way. Fits a phone.
import { all, call, follow, write } from './api.js';
import { attempt, button, make, say, soon } from './parts.js';
import { clock, label, reasonsFor, remaining, t } from './words.js';

export async function openTeam(view, who, line) {
  const org = await call('org.get', { org: who.org });
  const contacts = new Map(); // seen once, kept on this page only
  const title = make('h2', {}, org.name, ' ');
  const inbox = make('ul', { class: 'cards', id: 'inbox' });
  const active = make('ul', { class: 'cards', id: 'under-way' });
  view.replaceChildren(make('div', { class: 'team' }, make('section', {}, title, make('h3', {}, t('inbox')), inbox), make('section', {}, make('h3', {}, t('under_way')), active)));

  function drawDuty() {
    title.querySelector('button')?.remove();
    title.append(button(org.on ? t('on_duty') : t('off_duty'), async () => {
      await write('org.duty', { org: org.org, on: !org.on });
      org.on = !org.on;
      drawDuty();
    }, { 'aria-pressed': org.on ? 'true' : 'false', class: org.on ? 'on' : 'off' }));
  }

  const what = (f) => [make('b', {}, `${label('skills', f.category)} · ${f.people} ${t('people')} `, make('i', { class: `badge ${f.priority}` }, label('priorities', f.priority))),
    make('p', {}, `${f.region_name || f.region} · ${clock(f.start_at)} · ${f.minutes} ${t('minutes')}`)];

  async function act(method, params) {
    const answer = await write(method, params);
    say(answer.held ? `${t('done')} · ${t('held')} ${answer.held}` : t('done'));
    await load();
  }

  function drawPending(f) {
    const reason = make('select', { 'aria-label': t('reason') }, reasonsFor('decline').map((r) => make('option', { value: r.reason }, r.text)));
    return make('li', { 'data-offer': f.offer }, ...what(f), make('p', { class: 'due' }, `${t('due')} ${clock(f.expires_at)} (${remaining(f.expires_at)})`),
      make('div', { class: 'acts' }, button(t('accept'), () => act('offer.accept', { offer: f.offer }), { class: 'main accept' }), reason,
        button(t('decline'), () => act('offer.decline', { offer: f.offer, reason: reason.value }), { class: 'decline' })));
  }

  function drawRecords(f) {
    const rows = make('div', { class: 'records' });
    const add = () => rows.append(make('div', {},
      make('label', {}, t('volunteer'), make('input', { class: 'volunteer', inputmode: 'numeric', pattern: '[1-9][0-9]*', required: true })),
      make('label', {}, t('minutes'), make('input', { class: 'minutes', inputmode: 'numeric', value: f.minutes, pattern: '[1-9][0-9]*', required: true }))));
    add();
    return make('form', { onsubmit: (event) => {
      event.preventDefault();
      const records = [...rows.children].map((row) => ({ volunteer: Number(row.querySelector('.volunteer').value), minutes: Number(row.querySelector('.minutes').value) }));
      attempt(() => act('service.complete', { offer: f.offer, records }));
    } }, rows, make('button', { type: 'button', onclick: add }, t('add_person')), make('button', { class: 'main complete' }, t('complete')));
  }

  function drawContact(f) {
    const c = contacts.get(f.order);
    if (!c) {
      return button(t('contact'), async () => {
        contacts.set(f.order, await call('contact.get', { order: f.order }));
        await load();
      }, { class: 'contact' });
    }
    return make('dl', {}, ['name', 'phone', 'address', 'note'].filter((key) => c[key]).flatMap((key) => [make('dt', {}, t(key)), make('dd', {}, c[key])]));
  }

  function drawActive(f) {
    return make('li', { 'data-offer': f.offer }, ...what(f), make('p', {}, label('offer_states', f.state)), drawContact(f),
      f.state === 'accepted' ? button(t('begin'), () => act('service.start', { offer: f.offer }), { class: 'main begin' }) : drawRecords(f));
  }

  async function load() {
    const offers = await all('offer.list', { org: org.org });
    const isTyping = active.contains(document.activeElement) && document.activeElement.tagName === 'INPUT';
    const pending = offers.filter((f) => f.state === 'pending').sort((a, b) => a.expires_at - b.expires_at);
    const taken = offers.filter((f) => f.state === 'accepted' || f.state === 'serving');
    inbox.replaceChildren(...pending.map(drawPending));
    if (!isTyping) active.replaceChildren(...taken.map(drawActive)); // nobody's half-written records are swept away
  }

  drawDuty();
  await attempt(load);
  const loadSoon = soon(() => attempt(load), 300);
  const stop = follow({ org: org.org }, loadSoon, (isUp) => { line(isUp); if (isUp) loadSoon(); });
  const timer = setInterval(loadSoon, 30000);
  return () => { stop(); clearInterval(timer); };
}
