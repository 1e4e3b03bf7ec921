// words.js -- what people read, Chinese first and English beside it. Words of closed lists and codes come
// from the service's own tables.
import { call } from './api.js';

const texts = {
  desk: ['派单台', 'Dispatch desk'], team: ['组织', 'Organisation'], board: ['志愿地图', 'Volunteer map'],
  token: ['令牌', 'Token'], enter: ['进入', 'Enter'], leave: ['退出', 'Leave'],
  token_help: ['由管理员用 paidan token add 发放', 'Handed out by your operator with paidan token add'],
  waiting: ['待派单', 'Waiting'], search: ['查找：编号、社区、类别', 'Find: number, community, category'],
  choose: ['选择一张点单', 'Choose an order'],
  candidates: ['可承接的组织', 'Who can take it'], nobody_fits: ['暂无合适的组织', 'Nobody fits at present'],
  others_why: ['其余组织不合适的原因', 'Why the others do not fit'], dispatch: ['派单给所选', 'Dispatch to the chosen'],
  claim: ['认领', 'Claim'], release: ['放回', 'Put back'], auto: ['交给系统', 'Leave it to the engine'],
  escalate: ['上报', 'Send up'], claimed_by: ['处理人', 'Held by'], offers: ['派单记录', 'Offers'], people: ['人', 'people'],
  score: ['得分', 'Score'], due: ['时限', 'Due'], overdue: ['已超时', 'Overdue'],
  proximity: ['就近', 'Near'], affinity: ['熟悉', 'Known'], activity: ['活跃', 'Active'], rating: ['评价', 'Rated'],
  load: ['空闲', 'Free'], fit: ['专长', 'Fit'], events: ['动态', 'What happens'], inbox: ['收件箱', 'Inbox'], under_way: ['进行中', 'Under way'],
  accept: ['接单', 'Accept'], decline: ['谢绝', 'Decline'], reason: ['原因', 'Reason'], contact: ['联系方式', 'Contact'],
  begin: ['开始服务', 'Start'], complete: ['确认完成', 'Complete'], volunteer: ['志愿者编号', 'Volunteer number'],
  minutes: ['分钟', 'Minutes'], add_person: ['再加一人', 'One more'], on_duty: ['接单中', 'On duty'], off_duty: ['休息', 'Off duty'],
  name: ['姓名', 'Name'], phone: ['电话', 'Telephone'], address: ['地址', 'Address'], note: ['备注', 'Note'],
  orders: ['点单', 'Orders'], organisations: ['组织', 'Organisations'], by_category: ['按类别的需求', 'Demand by category'],
  by_state: ['按状态', 'By state'], late_and_high: ['超时与上报', 'Overdue and sent up'], few: ['少于 5', 'fewer than 5'],
  line_up: ['实时', 'Live'], line_down: ['连接中断，正在重连', 'Line broken, reconnecting'], no_role: ['此令牌没有可用的视图', 'No view for this token'],
  unreachable: ['无法连接服务', 'The service cannot be reached'], done: ['已办理', 'Done'], level: ['层级', 'Level'],
  keys: ['快捷键：J/K 上下，C 认领，1-9 选组织，D 派单，A 交给系统，/ 查找', 'Keys: J/K move, C claim, 1-9 choose, D dispatch, A engine, / find'],
};

let isEnglish = localStorage.getItem('paidan.language') === 'en';
const tables = {};

export const language = () => (isEnglish ? 'en' : 'zh');

export function changeLanguage() {
  isEnglish = !isEnglish;
  localStorage.setItem('paidan.language', language());
  document.documentElement.lang = isEnglish ? 'en' : 'zh-CN';
}

export const t = (key) => (texts[key] || [key, key])[isEnglish ? 1 : 0];

export async function loadTables() {
  const lists = ['skills', 'reasons', 'states', 'offer_states', 'priorities', 'modes', 'levels', 'events', 'misfits', 'errors'];
  await Promise.all(lists.map(async (list) => {
    tables[list] = (await call('code.list', { list })).items;
  }));
}

// The label of a word of a table: its Chinese or English, or the word itself.
export function label(list, word) {
  const row = (tables[list] || []).find((r) => Object.values(r).includes(word));
  if (!row) return word || '';
  return (isEnglish ? row.en || row.text : row.zh) || row.word || word;
}

export const reasonsFor = (what) => (tables.reasons || []).filter((r) => r.for === what)
  .map((r) => ({ reason: r.reason, text: isEnglish ? r.en : r.zh }));

// A refusal in both languages, with the field it is about.
export function explain(e) {
  const row = (tables.errors || []).find((r) => r.name === e.code);
  const zh = row ? row.zh : e.code === 'unreachable' ? texts.unreachable[0] : '';
  const misfit = e.misfit ? `（${label('misfits', e.misfit)}）` : '';
  const range = e.low !== undefined ? ` [${e.low}, ${e.high}]` : '';
  const field = e.field ? ` · ${e.field}${range}` : '';
  return `${zh ? zh + misfit + ' · ' : ''}${e.message}${field}`;
}

export const clock = (ms) => (ms ? new Date(ms).toLocaleString(isEnglish ? 'en-GB' : 'zh-CN',
  { month: 'numeric', day: 'numeric', hour: '2-digit', minute: '2-digit' }) : '');

export function remaining(ms) {
  if (!ms) return '';
  const minutes = Math.round((ms - Date.now()) / 60000);
  if (minutes < 0) return t('overdue');
  const [h, m] = [Math.floor(minutes / 60), minutes % 60];
  if (h >= 48) return isEnglish ? `${Math.floor(h / 24)} d` : `${Math.floor(h / 24)} 天`;
  return isEnglish ? `${h}:${String(m).padStart(2, '0')} h` : `${h} 时 ${m} 分`;
}

export const metres = (m) => (m < 1000 ? `${m} m` : `${(m / 1000).toFixed(1)} km`);
