// The tables below the timeline. All but work and span follow the window.

const chip = (color) => `<i class="chip" style="background:${css(color)}"></i>`;
const colorOfClass = (c) => palette.classes[c];
const colorOfSlot = (slot) => (META.labels[LABEL_OF_SLOT[slot]] ? palette.slots[slot] : palette.plain);

const cell = (value, cls) => `<td${cls ? ` class="${cls}"` : ''}>${value}</td>`;
const named = (color, text) => cell(chip(color) + escape(text), 'name');
const row = (cells, attributes = '') => `<tr ${attributes}>${cells.join('')}</tr>`;
const quiet = (text) => `<p class="quiet">${text}</p>`;

function table(heads, rows) {
  const head = heads.map((text) => `<th>${text}</th>`).join('');
  return `<table class="data"><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function bar(classes) {
  const sum = classes.reduce((a, b) => a + b, 0) || 1;
  const part = (time, c) => {
    if (time <= 0) return '';
    const style = `width:${((time / sum) * 100).toFixed(3)}%;background:${css(colorOfClass(c))}`;
    return `<i style="${style}" title="${META.classes[c].name} ${formatShare(time / sum)}"></i>`;
  };
  return `<div class="bar">${[...classes].map(part).join('')}</div>`;
}

// Rows of workers above which their sum comes first.
const MANY_WORKERS = 16;

function showTimes(stats) {
  const all = META.classes.map((_, c) => c);
  const used = all.filter((c) => META.classes[c].total > 0 || stats.total[c] > 0);
  const worker = (name, classes, cls) => {
    const sum = classes.reduce((a, b) => a + b, 0);
    const part = (c) => classes[c] / (sum || 1);
    const parts = used.map((c) => cell(formatShare(part(c)), part(c) < 0.0005 ? 'zero' : ''));
    return row([cell(escape(name)), cell(bar(classes), 'bars'), ...parts, cell(formatTime(sum))], cls);
  };
  const rows = stats.workers.map(({ track, classes }) => worker(TRACKS[track].name, classes, ''));
  const sum = worker('all', stats.total, 'class="sum"');
  const heads = used.map((c) => chip(colorOfClass(c)) + META.classes[c].name);
  const ordered = rows.length > MANY_WORKERS ? [sum, ...rows] : [...rows, sum];
  $('times').innerHTML = table(['worker', '', ...heads, 'time'], ordered);
}

const MOST_LABELS = 24;

function showLabels(stats) {
  const total = stats.time.reduce((a, b) => a + b, 0) || 1;
  const order = [...LABEL_OF_SLOT.keys()]
    .filter((slot) => stats.tasks[slot] > 0 || stats.time[slot] > 0)
    .sort((a, b) => stats.time[b] - stats.time[a]);
  const rows = order.slice(0, MOST_LABELS).map((slot) => {
    const label = LABEL_OF_SLOT[slot];
    const count = stats.tasks[slot];
    const time = stats.time[slot];
    const cells = [
      named(colorOfSlot(slot), label < 0 ? 'other labels' : labelName(label)),
      cell(formatNumber(count)),
      cell(formatShare(time / total)),
      cell(formatTime(time)),
      cell(count > 0 ? formatTime(time / count) : ''),
    ];
    return row(cells, label >= 0 ? `data-label="${label}"` : '');
  });
  const more = order.length - MOST_LABELS;
  $('labels').innerHTML =
    table(['label', 'begun', 'work', 'time', 'mean'], rows) + (more > 0 ? quiet(`and ${more} more`) : '');
}

// A row about a task: its label, how long it ran, what else is asked for, where.
function taskRow(i, others) {
  const cells = [named(colorOf(T.label[i]), labelName(T.label[i])), cell(formatTime(T.own[i]))];
  const rest = others.map((time) => cell(formatTime(time)));
  return row([...cells, ...rest, cell(escape(TRACKS[T.track[i]].name))], `data-task="${i}"`);
}

function showSlowest(from, to) {
  const rows = slowestTasks(from, to, 12).map((i) => taskRow(i, [T.begin[i] - META.window[0], T.waited[i]]));
  $('slowest').innerHTML = table(['label', 'ran', 'at', 'waited', 'on'], rows);
}

function originOf(i) {
  const parent = T.parent[i];
  if (parent === UNKNOWN) return 'not known';
  if (parent < UNKNOWN) return `thread ${escape(TRACKS[-2 - parent].name)}`;
  return `${escape(labelName(T.label[parent]))}, on ${escape(TRACKS[T.track[parent]].name)}`;
}

function facts(color, title, pairs) {
  const rows = pairs.map(([name, value]) => `<tr><td>${name}</td><td>${value}</td></tr>`).join('');
  return `<b>${chip(color)}${escape(title)}</b><table>${rows}</table>`;
}

function describe(i) {
  const length = T.end[i] - T.begin[i];
  const of = T.own[i] < length ? `, of ${formatTime(length)}` : '';
  const from = T.victim[i] >= 0 ? `, stolen from ${escape(TRACKS[T.victim[i]].name)}` : '';
  const pairs = [
    ['ran', formatTime(T.own[i]) + of],
    ['begin', formatTime(T.begin[i] - META.window[0])],
    ['waited', formatTime(T.waited[i])],
    ['submitted by', originOf(i)],
    ['on', escape(TRACKS[T.track[i]].name) + from],
  ];
  if (T.kind[i] > 0) pairs.push(['outcome', OUTCOMES[T.kind[i]]]);
  return facts(colorOf(T.label[i]), labelName(T.label[i]), pairs);
}

function describeGap(track, time) {
  const gaps = track.gaps;
  const i = bound(gaps.end, 0, gaps.n, time, false);
  if (i >= gaps.n || gaps.begin[i] > time) return '';
  return facts(colorOfClass(gaps.cls[i]), META.classes[gaps.cls[i]].name, [
    ['for', formatTime(gaps.end[i] - gaps.begin[i])],
    ['begin', formatTime(gaps.begin[i] - META.window[0])],
    ['on', escape(track.name)],
  ]);
}

function showSelected() {
  const i = V.selected;
  if (i < 0) {
    $('selected').innerHTML = quiet(
      'Click a task. <kbd>p</kbd> goes to its parent, <kbd>f</kbd> zooms to it.',
    );
    return;
  }
  const heads = [`${formatNumber(V.children.length)} submitted`, 'ran', 'waited', 'on'];
  const rows = V.children.slice(0, 12).map((child) => taskRow(child, [T.waited[child]]));
  const children = rows.length ? table(heads, rows) : quiet('It has submitted no task.');
  $('selected').innerHTML = describe(i) + children;
}

function showSpan() {
  const [parallelism, burdened] = [META.span, META.burdened].map((span) => META.work / Math.max(1, span));
  const source = META.burdenSamples ? 'as measured here' : 'a guess';
  const parts = [
    `Work ${formatTime(META.work)}, longest chain ${formatTime(META.span)}:`,
    `parallelism <b>${parallelism.toFixed(1)}</b>; ${burdened.toFixed(1)} with`,
    `${formatTime(META.burden)} for each step to another worker (${source}).`,
  ];
  if (META.atMost > META.span) {
    parts.push(`Forks that no thief took are estimated; without them the chain is ${formatTime(META.atMost)}.`);
  }
  const rows = META.path.map((p) => {
    const share = formatShare(p.time / Math.max(1, META.span));
    const cells = [formatNumber(p.tasks), formatTime(p.time), share].map((value) => cell(value));
    return row([cell(escape(p.label || '(no label)'), 'name'), ...cells]);
  });
  $('span').innerHTML =
    quiet(parts.join(' ')) + table(['on the longest chain', 'stretches', 'time', ''], rows);
}

function showHead() {
  const name = META.pool.name || 'longshore';
  document.title = `${name} – longshore`;
  $('title').textContent = name;
  $('bounds').textContent = META.bounds;
  $('report').textContent = META.report;
  const item = (flag, i) => {
    const at = flag.at ? `data-at="${i}" title="click to see"` : '';
    return `<li data-kind="${flag.kind}" ${at}>${escape(flag.text)}</li>`;
  };
  $('flags').innerHTML = META.flags.map(item).join('');
}

function showLegend() {
  const shown = META.classes.map((_, c) => c).filter((c) => c > 0 && META.classes[c].total > 0);
  const item = (c) => `<span>${chip(colorOfClass(c))}${META.classes[c].name}</span>`;
  $('legend').innerHTML = shown.map(item).join('');
}
