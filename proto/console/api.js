// api.js -- the service as this page sees it: calls, and events that go on after a broken line.

export class Refusal extends Error {
  constructor(error, status) {
    super(error.message);
    Object.assign(this, error);
    this.status = status;
  }
}

let token = sessionStorage.getItem('paidan.token') || '';

export function useToken(text) {
  token = text.trim();
  if (token) sessionStorage.setItem('paidan.token', token);
  else sessionStorage.removeItem('paidan.token');
}

export const hasToken = () => token !== '';

function headers(more) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

export async function call(method, params = {}) {
  let answer;
  try {
    answer = await fetch(`/rpc/${method}`, {
      method: 'POST',
      headers: headers({ 'Content-Type': 'application/json' }),
      body: JSON.stringify(params),
    });
  } catch {
    throw new Refusal({ code: 'unreachable', message: 'the service cannot be reached', retry: true }, 0);
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(body.error || { code: 'unavailable', message: answer.statusText }, answer.status);
  return body;
}

// A write that may be sent again: the same ref until its answer is known, so that it is carried out once.
export async function write(method, params) {
  const ref = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(method, { ...params, ref });
    } catch (e) {
      if (attempt === 5 || !(e.status === 0 || e.status === 503)) throw e;
      await pause(500 * 2 ** attempt);
    }
  }
}

export async function all(method, params, most = 50000) {
  const items = [];
  let after;
  do {
    const page = await call(method, { ...params, limit: 1000, ...(after ? { after } : {}) });
    items.push(...page.items);
    after = page.next;
  } while (after && items.length < most);
  return items;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Follows the change feed until stop() is called. `tell` gets each event once, `line` whether the line
// stands. After a break it goes on with the event after the last one told.
export function follow(query, tell, line) {
  const control = new AbortController();
  let last = null;
  (async () => {
    for (let wait = 500; !control.signal.aborted; wait = Math.min(wait * 2, 15000)) {
      try {
        const more = last === null ? {} : { 'Last-Event-ID': String(last) };
        const answer = await fetch(`/events?${new URLSearchParams(query)}`, { headers: headers(more), signal: control.signal });
        if (!answer.ok) throw new Error(answer.status);
        line(true);
        wait = 500;
        await readEvents(answer.body.getReader(), (id, data) => {
          last = id;
          tell(data);
        });
      } catch { /* the line broke; below it is tried again */ }
      if (!control.signal.aborted) {
        line(false);
        await pause(wait);
      }
    }
  })();
  return () => control.abort();
}

async function readEvents(reader, tell) {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const id = /^id: (\d+)$/m.exec(block);
      const data = /^data: (.*)$/m.exec(block);
      if (id && data) tell(Number(id[1]), JSON.parse(data[1]));
    }
  }
}
