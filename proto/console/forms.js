// forms.js -- forms whose refusals stand at the field that they are about, in Chinese and English.
import { make, say } from './parts.js';
import { explain, fieldText, t } from './words.js';

// One labelled input. `options` are [value, text] pairs of a select; `name` is the parameter's.
export function field({ name, text, options, help, ...attributes }) {
  const id = `field-${name.replace('.', '-')}`;
  const tag = options ? 'select' : attributes.type === 'textarea' ? 'textarea' : 'input';
  const input = make(tag, { id, name, 'aria-describedby': `${id}-error`, ...attributes }, ...(options || []).map(([value, label]) => make('option', { value }, label)));
  return make('div', { class: 'field', 'data-field': name }, make('label', { for: id }, text, attributes.required ? make('i', { 'aria-hidden': 'true' }, ' *') : ''), input,
    help ? make('small', {}, help) : '', make('p', { class: 'error', id: `${id}-error`, role: 'alert' }));
}

export function options(form, name, pairs) {
  const select = form.elements[name];
  select.replaceChildren(...pairs.map(([value, text]) => make('option', { value }, text)));
}

function clear(form) {
  for (const box of form.querySelectorAll('.field')) {
    box.querySelector('.error').textContent = '';
    box.querySelector('input, select, textarea').removeAttribute('aria-invalid');
  }
}

// Puts a refusal at its field; what is about none of them is said below.
export function refuse(form, e) {
  const name = e.field || '';
  const box = [...form.querySelectorAll('.field')].find((b) => b.dataset.field === name || b.dataset.field.split('.').pop() === name);
  if (!box) return say(e.code ? explain(e) : String(e), true);
  const input = box.querySelector('input, select, textarea');
  box.querySelector('.error').textContent = fieldText(e);
  input.setAttribute('aria-invalid', 'true');
  input.focus();
  return undefined;
}

// A form that sends what `read` makes of it; `send` may throw a refusal. Empty required fields are told
// by the page itself, in both languages, before anything is sent.
export function form(attributes, send, ...children) {
  const node = make('form', { novalidate: true, ...attributes }, ...children);
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    clear(node);
    const missing = [...node.elements].find((input) => input.required && !input.disabled && !input.value.trim());
    if (missing) return refuse(node, { code: 'missing_field', field: missing.name, message: t('needed') });
    const pressed = event.submitter;
    if (pressed) pressed.disabled = true;
    try {
      await send(node);
    } catch (e) {
      refuse(node, e);
    }
    if (pressed) pressed.disabled = false;
    return undefined;
  });
  return node;
}

export const text = (node, name) => node.elements[name].value.trim();
// What is not a number goes as it is, so that the service says what it must be.
export function number(node, name) {
  const value = text(node, name);
  return value === '' ? undefined : /^-?\d+$/.test(value) ? Number(value) : value;
}
export function instant(node, name) {
  const value = text(node, name);
  return value === '' ? undefined : new Date(value).getTime();
}
// Without what is empty, so that the service's defaults hold.
export const given = (params) => Object.fromEntries(Object.entries(params).filter(([, v]) => v !== undefined && v !== '' && v !== null && !(Array.isArray(v) && v.length === 0)));
