// console.js -- who is here, and which of the views they get.
import { call, hasToken, Refusal, useToken } from './api.js';
import { openBoard } from './board.js';
import { openDesk } from './desk.js';
import { button, make, attempt } from './parts.js';
import { openPlace } from './place.js';
import { openTeam } from './team.js';
import { changeLanguage, language, loadTables, t } from './words.js';

const at = (id) => document.getElementById(id);
let close = () => {};

const views = [
  { name: 'desk', open: openDesk, may: (w) => w.has('dispatcher') || w.has('supervisor') },
  { name: 'team', open: openTeam, may: (w) => w.has('org') },
  { name: 'place', open: openPlace, may: (w) => w.has('platform') || w.has('dispatcher') || w.has('supervisor') },
  { name: 'board', open: openBoard, may: (w) => w.has('supervisor') },
];

export function showLine(isUp) {
  at('line').textContent = isUp ? `● ${t('line_up')}` : `○ ${t('line_down')}`;
  at('line').className = isUp ? 'up' : 'down';
}

async function show(view, who) {
  close();
  for (const tab of at('views').children) tab.setAttribute('aria-current', tab.dataset.view === view.name ? 'page' : 'false');
  at('view').replaceChildren();
  close = (await view.open(at('view'), who, showLine)) || (() => {});
  at('view').focus();
}

function ask() {
  const input = make('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, 'aria-describedby': 'token-help' });
  at('view').replaceChildren(make('form', { class: 'enter', onsubmit: async (event) => {
    event.preventDefault();
    useToken(input.value);
    if (!(await attempt(enter))) useToken('');
  } }, make('label', { for: 'token' }, t('token')), input, make('p', { id: 'token-help' }, t('token_help')), make('button', {}, t('enter'))));
  input.focus();
}

async function enter() {
  const answer = await call('session.hello');
  if (!answer.roles) throw new Refusal({ code: 'unauthenticated', message: 'a token is needed', field: 'token' }, 401);
  const roles = answer.roles === 'all' ? ['platform', 'dispatcher', 'supervisor', 'org'] : answer.roles.split(/[,|]\s*/);
  const who = { ...answer, has: (role) => roles.includes(role) };
  const open = views.filter((view) => view.may(who) && (view.name !== 'team' || who.org));
  at('who').textContent = who.principal;
  at('leave').hidden = !hasToken();
  at('leave').textContent = t('leave');
  at('views').replaceChildren(...open.map((view) => button(t(view.name), () => show(view, who), { 'data-view': view.name })));
  if (open.length === 0) at('view').replaceChildren(make('p', { class: 'empty' }, t('no_role')));
  else await show(open[0], who);
}

async function begin() {
  at('language').textContent = language() === 'zh' ? 'English' : '中文';
  close();
  close = () => {};
  await attempt(loadTables); // before anything is refused, so that it is said in Chinese too
  if (hasToken()) {
    if (!(await attempt(enter))) ask();
  } else {
    await enter().catch(ask); // strangers who may do something need no token
    if (at('views').children.length === 0) ask();
  }
}

at('language').addEventListener('click', () => { changeLanguage(); begin(); });
at('leave').addEventListener('click', () => { useToken(''); at('views').replaceChildren(); at('who').textContent = ''; at('leave').hidden = true; close(); close = () => {}; ask(); });
begin();
