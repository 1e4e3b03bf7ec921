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
  map: ['地图', 'Map'], place: ['点单', 'Place an order'], what: ['需要什么', 'What'], where: ['在哪里', 'Where'], when: ['什么时候', 'When'], who: ['为谁', 'For whom'],
  category: ['服务类别', 'Category'], priority: ['紧急程度', 'Priority'], headcount: ['人数', 'People wanted'], groups: ['服务对象', 'Whom it is for'], mode: ['派单方式', 'How it is dispatched'],
  county: ['县（区）', 'County'], town: ['镇（街道）', 'Town'], community: ['村（社区）', 'Community'], from: ['从', 'From'], until: ['到', 'Until'],
  every_week: ['每周', 'Every week'], once: ['仅一次', 'Once'], hours: ['时段', 'Hours'], last_date: ['最后一天', 'Last day'], recurs: ['已登记定期点单', 'Recurring order'],
  mon: ['星期一', 'Monday'], tue: ['星期二', 'Tuesday'], wed: ['星期三', 'Wednesday'], thu: ['星期四', 'Thursday'], fri: ['星期五', 'Friday'], sat: ['星期六', 'Saturday'], sun: ['星期日', 'Sunday'],
  relation: ['由谁代点', 'Placed by'], oneself: ['本人', 'The person'], proxy_name: ['代点人姓名', 'Who places it'], proxy_phone: ['代点人电话', 'Their telephone'],
  mine: ['本窗口的点单', 'Orders of this window'], placed: ['已点单', 'Placed'], none_yet: ['还没有', 'None yet'], rate: ['评单', 'Rate'], stars: ['星', 'stars'], rework: ['需返工', 'To be done again'],
  needed: ['此项必填', 'this field is needed'], supply_demand: ['各类别供需', 'Supply against demand by category'], spread: ['活跃度分布', 'How activity spreads'],
  circle: ['十分钟服务圈覆盖率', 'Demand within the ten-minute circle'], in_circle: ['圈内', 'In circle'], whole: ['全部', 'All'], place_name: ['地区', 'Place'], most_active: ['最活跃的组织', 'Most active'],
  hours_of_late: ['近期小时', 'hours of late'], emergency: ['应急', 'Emergency'], emergency_open: ['启动应急', 'Open emergency mode'], emergency_close: ['结束应急', 'Close'], no_emergency: ['无', 'None'],
  in_emergency: ['应急中', 'Emergency mode'], held: ['待审核时长', 'Hours to review'], grant: ['认证', 'Certify'], refuse: ['不予认证', 'Refuse'],
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
  const lists = ['skills', 'reasons', 'states', 'offer_states', 'priorities', 'modes', 'levels', 'events', 'misfits', 'errors', 'groups', 'record_states'];
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

// [word, label] pairs of a table, for choosing from.
export const words = (list) => (tables[list] || []).map((r) => [r.name, isEnglish ? r.en || r.name : r.zh]);
export const categories = () => (tables.skills || []).filter((r) => !r.category).map((r) => [r.skill, isEnglish ? r.en : r.zh]);

// What is wrong with a field, Chinese first: the code's own text, then what it must be.
export function fieldText(e) {
  const row = (tables.errors || []).find((r) => r.name === e.code);
  const range = e.low !== undefined ? `${e.low} – ${e.high}` : '';
  return [row && row.zh, range, e.message].filter(Boolean).join(' · ');
}

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
