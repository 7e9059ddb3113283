// What the user does: the window, the mouse, the keys. At the end, the start.

const LEAST = 20; // nanoseconds: no window is shorter

function setWindow(from, to) {
  const length = Math.min(META.duration, Math.max(LEAST, to - from));
  const middle = (from + to) / 2;
  V.from = Math.max(0, Math.min(META.duration - length, to - from < LEAST ? middle - length / 2 : from));
  V.to = V.from + length;
  refresh();
}

function wholeRun() {
  const [begin, end] = META.window,
    margin = (end - begin) * 0.005;
  setWindow(Math.max(0, begin - margin), Math.min(META.duration, Math.max(begin + LEAST, end + margin)));
}

function zoom(factor, center) {
  setWindow(center - (center - V.from) * factor, center + (V.to - center) * factor);
}

const move = (part) => setWindow(V.from + (V.to - V.from) * part, V.to + (V.to - V.from) * part);

let picture = 0,
  tables = 0;

function refresh() {
  if (!picture) picture = requestAnimationFrame(draw);
  clearTimeout(tables);
  tables = setTimeout(fillTables, 60);
}

function draw() {
  cancelAnimationFrame(picture);
  picture = 0;
  const begun = performance.now();
  drawTracks();
  drawStrips();
  drawOverview();
  V.pictureTime = performance.now() - begun;
  const share = (V.to - V.from) / Math.max(1, META.duration);
  const length = `${formatTime(V.to - V.from)} (${formatShare(share)})`;
  const from = formatTime(V.from - META.window[0]);
  $('window').textContent = `${length} from ${from}: ${formatNumber(V.drawn)} tasks`;
}

function fillTables() {
  if (!$('span').firstChild) showSpan();
  const stats = windowStats(V.from, V.to);
  V.stats = stats;
  showTimes(stats);
  showLabels(stats);
  showSlowest(V.from, V.to);
}

// The task at a place of the picture, the innermost: -1 if there is none. From afar, the nearest.
function taskAt(x, y, width) {
  const row = ROWS.find((r) => y >= r.y - 1 && y <= r.y + r.height + 1);
  if (!row || x < GUTTER) return [-1, row];
  const time = timeAt(x, width),
    track = row.track;
  let found = -1;
  crossing(track, time, (i) => {
    if (found < 0 || T.depth[i] >= T.depth[found]) found = i;
  });
  if (found >= 0) return [found, row];
  const near = ((V.to - V.from) / (width - GUTTER)) * 1.5,
    next = bound(T.begin, track.first, track.first + track.count, time, true);
  for (const i of [next, next - 1]) {
    if (i >= track.first && i < track.first + track.count && T.begin[i] - time < near && time - T.end[i] < near)
      return [i, row];
  }
  return [-1, row];
}

function select(i, follow) {
  V.selected = i;
  V.children = [];
  if (i >= 0) for (let child = 0; child < T.n; child++) if (T.parent[child] === i) V.children.push(child);
  if (i >= 0 && follow && (T.end[i] < V.from || T.begin[i] > V.to)) {
    const half = (V.to - V.from) / 2,
      middle = (T.begin[i] + T.end[i]) / 2;
    setWindow(middle - half, middle + half);
  }
  showSelected();
  refresh();
}

function zoomToTask(i) {
  const margin = Math.max(LEAST, (T.end[i] - T.begin[i]) * 0.6);
  setWindow(T.begin[i] - margin, T.end[i] + margin);
}

function search(text) {
  const wanted = text.trim().toLowerCase();
  V.match = wanted ? META.labels.map((label) => label.toLowerCase().includes(wanted)) : null;
  let count = 0;
  if (V.match) for (let i = 0; i < T.n; i++) if (V.match[T.label[i]] && HAS_RUN(i)) count++;
  $('found').textContent = V.match ? `${formatNumber(count)} tasks` : '';
  packColors();
  refresh();
}

// The next task with a label that matches, in the order of time: after the selected one, or the middle of the
// window.
function nextMatch(sign) {
  if (!V.match) return;
  const now = V.selected >= 0 ? T.begin[V.selected] : (V.from + V.to) / 2;
  let best = -1;
  for (let i = 0; i < T.n; i++) {
    if (!V.match[T.label[i]] || (T.begin[i] - now) * sign <= 0) continue;
    if (best < 0 || (T.begin[i] - T.begin[best]) * sign < 0) best = i;
  }
  if (best >= 0) select(best, true);
}

function setTheme(isDark) {
  dark = isDark;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  makePalette();
  packColors();
  showLegend();
  drawCurve();
  showSelected();
  refresh();
}

function showTip(event, html) {
  const tip = $('tip');
  tip.hidden = !html;
  if (!html) return;
  tip.innerHTML = html;
  const { offsetWidth: w, offsetHeight: h } = tip;
  const place = (at, size, room) => Math.max(4, at + 16 + size > room ? at - size - 12 : at + 16);
  tip.style.left = `${place(event.clientX, w, innerWidth)}px`;
  tip.style.top = `${place(event.clientY, h, innerHeight)}px`;
}

function hover(event) {
  const canvas = $('tracks'),
    box = canvas.getBoundingClientRect();
  const [task, row] = taskAt(event.clientX - box.left, event.clientY - box.top, box.width);
  if (task !== V.hover) {
    V.hover = task;
    if (!picture) picture = requestAnimationFrame(draw);
  }
  const time = timeAt(event.clientX - box.left, box.width);
  showTip(
    event,
    task >= 0 ? describe(task) : row && event.clientX - box.left > GUTTER ? describeGap(row.track, time) : '',
  );
}

// Drags: moves the window, or with shift marks a stretch to zoom to.
function listenToMouse() {
  const timeline = $('timeline');
  let drag = null;
  timeline.addEventListener(
    'wheel',
    (event) => {
      if (event.target.id === 'overview') return;
      const box = $('tracks').getBoundingClientRect();
      if (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / box.width);
      else zoom(1.0018 ** event.deltaY, timeAt(Math.max(GUTTER, event.clientX - box.left), box.width));
      event.preventDefault();
    },
    { passive: false },
  );
  timeline.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || !event.target.closest('canvas')) return;
    drag = {
      x: event.clientX,
      from: V.from,
      to: V.to,
      kind: event.target.id === 'overview' ? 'overview' : event.shiftKey ? 'stretch' : 'move',
      moved: false,
    };
    timeline.setPointerCapture(event.pointerId);
    if (drag.kind === 'overview') centerOn(event);
  });
  timeline.addEventListener('pointermove', (event) => {
    if (!drag) return event.target.id === 'tracks' ? hover(event) : showTip(event, '');
    drag.moved = drag.moved || Math.abs(event.clientX - drag.x) > 3;
    if (!drag.moved) return;
    showTip(event, '');
    timeline.classList.toggle('moving', drag.kind === 'move');
    const width = $('tracks').clientWidth - GUTTER,
      distance = ((event.clientX - drag.x) / width) * (drag.to - drag.from);
    if (drag.kind === 'move') setWindow(drag.from - distance, drag.to - distance);
    if (drag.kind === 'overview') centerOn(event);
  });
  timeline.addEventListener('pointerup', (event) => {
    if (!drag) return;
    const box = $('tracks').getBoundingClientRect(),
      times = [drag.x, event.clientX].map((x) => timeAt(x - box.left, box.width)).sort((a, b) => a - b);
    if (drag.kind === 'stretch' && drag.moved) setWindow(times[0], times[1]);
    if (!drag.moved && drag.kind !== 'overview')
      select(taskAt(event.clientX - box.left, event.clientY - box.top, box.width)[0], false);
    timeline.classList.remove('moving');
    drag = null;
  });
  timeline.addEventListener('pointerleave', (event) => {
    showTip(event, '');
    V.hover = -1;
  });
  timeline.addEventListener('dblclick', (event) => {
    const box = $('tracks').getBoundingClientRect(),
      [task] = taskAt(event.clientX - box.left, event.clientY - box.top, box.width);
    if (task >= 0) zoomToTask(task);
  });
}

function centerOn(event) {
  const box = $('overview').getBoundingClientRect(),
    half = (V.to - V.from) / 2;
  const time = ((event.clientX - box.left - GUTTER) / (box.width - GUTTER)) * META.duration;
  setWindow(time - half, time + half);
}

const KEYS = {
  ArrowLeft: () => move(-0.2),
  ArrowRight: () => move(0.2),
  '+': () => zoom(0.6, (V.from + V.to) / 2),
  '=': () => zoom(0.6, (V.from + V.to) / 2),
  '-': () => zoom(1 / 0.6, (V.from + V.to) / 2),
  0: wholeRun,
  t: () => setTheme(!dark),
  '?': () => $('keys').showModal(),
  f: () => V.selected >= 0 && zoomToTask(V.selected),
  p: () => V.selected >= 0 && T.parent[V.selected] >= 0 && select(T.parent[V.selected], true),
  '[': () => V.selected > TRACKS[T.track[V.selected]]?.first && select(V.selected - 1, true),
  ']': () =>
    V.selected >= 0 &&
    V.selected + 1 < T.n &&
    T.track[V.selected + 1] === T.track[V.selected] &&
    select(V.selected + 1, true),
  n: () => nextMatch(1),
  N: () => nextMatch(-1),
  c: () => {
    V.chain = !V.chain;
    refresh();
  },
  '/': () => $('search').focus(),
  Escape: () => select(-1, false),
};

function listen() {
  listenToMouse();
  document.addEventListener('keydown', (event) => {
    if (event.target.tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey || $('keys').open)
      return;
    const act = KEYS[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });
  $('search').addEventListener('input', (event) => search(event.target.value));
  $('search').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') nextMatch(event.shiftKey ? -1 : 1);
    if (event.key === 'Escape') {
      event.target.value = '';
      search('');
      $('timeline').focus();
    }
  });
  $('all').onclick = wholeRun;
  $('theme').onclick = () => setTheme(!dark);
  $('help').onclick = () => $('keys').showModal();
  $('flags').onclick = (event) => {
    const at = META.flags[event.target.closest('li[data-at]')?.dataset.at]?.at;
    if (at) setWindow(at[0] - (at[1] - at[0]) * 0.2, at[1] + (at[1] - at[0]) * 0.2);
  };
  $('panels').onclick = (event) => {
    const task = event.target.closest('tr[data-task]'),
      label = event.target.closest('tr[data-label]');
    if (task) {
      select(+task.dataset.task, true);
      if (T.end[V.selected] - T.begin[V.selected] < (V.to - V.from) / 400) zoomToTask(V.selected);
    }
    if (label) {
      $('search').value = META.labels[+label.dataset.label];
      search($('search').value);
    }
  };
  window.addEventListener('resize', () => {
    drawCurve();
    refresh();
  });
}

// How deep each task is in others of its track.
function findDepths() {
  T.depth = new Uint8Array(T.n);
  for (const track of TRACKS) {
    const open = [];
    for (let i = track.first; i < track.first + track.count; i++) {
      while (open.length && open[open.length - 1] <= T.begin[i]) open.pop();
      T.depth[i] = Math.min(255, open.length);
      open.push(T.end[i]);
    }
  }
}

// The start. What the steps take is kept for whoever wants to know why a page is slow.
const timing = { parse: performance.now() };
const listenAndShow = () => {
  showHead();
  listen();
  setTheme(matchMedia('(prefers-color-scheme: dark)').matches);
  if (META.view) setWindow(...META.view);
  else wholeRun();
  draw();
};
for (const step of [decodeAll, findDepths, buildSums, buildLevels, listenAndShow]) {
  const begun = performance.now();
  step();
  timing[step.name] = performance.now() - begun;
}
// For tests and the console: what is shown, and how long the first picture took.
window.longshore = {
  view: V,
  tasks: T,
  tracks: TRACKS,
  meta: META,
  setWindow,
  wholeRun,
  select,
  search,
  windowStats,
  draw,
  timing,
  firstPicture: performance.now(),
};
