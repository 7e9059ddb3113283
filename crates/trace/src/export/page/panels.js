// The tables below the timeline. All but work and span follow the window.

const chip = (color) => `<i class="chip" style="background:${css(color)}"></i>`;
const colorOfSlot = (slot) => { const label = LABEL_OF_SLOT[slot]; return META.labels[label] ? palette.slots[slot] : palette.plain; };
const colorOfClass = (c) => palette.classes[c];

function bar(classes) {
  const sum = classes.reduce((a, b) => a + b, 0) || 1;
  const part = (time, c) => time > 0 ? `<i style="width:${(time / sum * 100).toFixed(3)}%;background:${css(colorOfClass(c))}" title="${META.classes[c].name} ${formatShare(time / sum)}"></i>` : '';
  return `<div class="bar">${[...classes].map(part).join('')}</div>`;
}

function showTimes(stats) {
  const used = META.classes.map((_, c) => c).filter((c) => META.classes[c].total > 0 || stats.total[c] > 0);
  const head = used.map((c) => `<th>${chip(colorOfClass(c))}${META.classes[c].name}</th>`).join('');
  const row = (name, classes, cls) => {
    const sum = classes.reduce((a, b) => a + b, 0);
    const cells = used.map((c) => `<td${classes[c] / (sum || 1) < 0.0005 ? ' class="zero"' : ''}>${formatShare(classes[c] / (sum || 1))}</td>`).join('');
    return `<tr class="${cls}"><td>${escape(name)}</td><td style="width:28%">${bar(classes)}</td>${cells}<td>${formatTime(sum)}</td></tr>`;
  };
  const rows = stats.workers.map(({ lane, classes }) => row(LANES[lane].name, classes, ''));
  const many = rows.length > 16;
  $('times').innerHTML = `<table class="data"><thead><tr><th>worker</th><th></th>${head}<th>time</th></tr></thead><tbody>` +
    `${many ? row('all', stats.total, 'sum') : ''}${rows.join('')}${many ? '' : row('all', stats.total, 'sum')}</tbody></table>`;
}

function showLabels(stats) {
  const total = stats.time.reduce((a, b) => a + b, 0) || 1;
  const order = [...LABEL_OF_SLOT.keys()].filter((slot) => stats.tasks[slot] > 0 || stats.time[slot] > 0).sort((a, b) => stats.time[b] - stats.time[a]);
  const row = (slot) => {
    const label = LABEL_OF_SLOT[slot], name = label < 0 ? 'other labels' : labelName(label), count = stats.tasks[slot];
    return `<tr ${label >= 0 ? `data-label="${label}"` : ''}><td class="name">${chip(colorOfSlot(slot))}${escape(name)}</td><td>${formatNumber(count)}</td>` +
      `<td>${formatShare(stats.time[slot] / total)}</td><td>${formatTime(stats.time[slot])}</td><td>${count > 0 ? formatTime(stats.time[slot] / count) : ''}</td></tr>`;
  };
  $('labels').innerHTML = `<table class="data"><thead><tr><th>label</th><th>begun</th><th>work</th><th>time</th><th>mean</th></tr></thead>` +
    `<tbody>${order.slice(0, 24).map(row).join('')}</tbody></table>${order.length > 24 ? `<p class="quiet">and ${order.length - 24} more</p>` : ''}`;
}

function showSlowest(from, to) {
  const row = (i) => `<tr data-task="${i}"><td class="name">${chip(colorOf(T.label[i]))}${escape(labelName(T.label[i]))}</td><td>${formatTime(T.own[i])}</td>` +
    `<td>${formatTime(T.begin[i] - META.window[0])}</td><td>${formatTime(T.waited[i])}</td><td>${escape(LANES[T.lane[i]].name)}</td></tr>`;
  $('slowest').innerHTML = `<table class="data"><thead><tr><th>label</th><th>ran</th><th>at</th><th>waited</th><th>on</th></tr></thead>` +
    `<tbody>${slowestTasks(from, to, 12).map(row).join('')}</tbody></table>`;
}

function originOf(i) {
  const parent = T.parent[i];
  if (parent === UNKNOWN) return 'not known';
  if (parent < UNKNOWN) return `thread ${escape(LANES[-2 - parent].name)}`;
  return `${escape(labelName(T.label[parent]))}, on ${escape(LANES[T.lane[parent]].name)}`;
}

function describe(i) {
  const rows = [
    ['ran', formatTime(T.own[i]) + (T.own[i] < T.end[i] - T.begin[i] ? `, of ${formatTime(T.end[i] - T.begin[i])}` : '')],
    ['begin', formatTime(T.begin[i] - META.window[0])],
    ['waited', formatTime(T.waited[i])],
    ['submitted by', originOf(i)],
    ['on', escape(LANES[T.lane[i]].name) + (T.victim[i] >= 0 ? `, stolen from ${escape(LANES[T.victim[i]].name)}` : '')],
  ];
  if (T.kind[i] > 0) rows.push(['outcome', OUTCOMES[T.kind[i]]]);
  const cells = rows.map(([name, value]) => `<tr><td>${name}</td><td>${value}</td></tr>`).join('');
  return `<b>${chip(colorOf(T.label[i]))}${escape(labelName(T.label[i]))}</b><table>${cells}</table>`;
}

function describeGap(lane, time) {
  const gaps = lane.gaps, i = bound(gaps.end, 0, gaps.n, time, false);
  if (i >= gaps.n || gaps.begin[i] > time) return '';
  return `<b>${chip(colorOfClass(gaps.cls[i]))}${META.classes[gaps.cls[i]].name}</b><table><tr><td>for</td><td>${formatTime(gaps.end[i] - gaps.begin[i])}</td></tr>` +
    `<tr><td>begin</td><td>${formatTime(gaps.begin[i] - META.window[0])}</td></tr><tr><td>on</td><td>${escape(lane.name)}</td></tr></table>`;
}

function showSelected() {
  const i = V.selected;
  if (i < 0) {
    $('selected').innerHTML = '<p class="quiet">Click a task. <kbd>p</kbd> goes to its parent, <kbd>f</kbd> zooms to it.</p>';
    return;
  }
  const list = V.children.slice(0, 12).map((child) => `<tr data-task="${child}"><td class="name">${chip(colorOf(T.label[child]))}${escape(labelName(T.label[child]))}</td>` +
    `<td>${formatTime(T.own[child])}</td><td>${formatTime(T.waited[child])}</td><td>${escape(LANES[T.lane[child]].name)}</td></tr>`).join('');
  const children = V.children.length ? `<table class="data"><thead><tr><th>${formatNumber(V.children.length)} submitted</th><th>ran</th><th>waited</th><th>on</th></tr></thead><tbody>${list}</tbody></table>` : '<p class="quiet">It has submitted no task.</p>';
  $('selected').innerHTML = `${describe(i)}${children}`;
}

function showSpan() {
  const part = (p) => `<tr><td class="name">${escape(p.label || '(no label)')}</td><td>${formatNumber(p.tasks)}</td><td>${formatTime(p.time)}</td><td>${formatShare(p.time / Math.max(1, META.span))}</td></tr>`;
  const parallelism = META.work / Math.max(1, META.span), burdened = META.work / Math.max(1, META.burdened);
  const estimate = META.atMost > META.span ? ` Forks that nobody took are estimated; without them the chain is ${formatTime(META.atMost)}.` : '';
  $('span').innerHTML = `<p class="quiet">Work ${formatTime(META.work)}, longest chain ${formatTime(META.span)}: parallelism <b>${parallelism.toFixed(1)}</b>; ` +
    `${burdened.toFixed(1)} with ${formatTime(META.burden)} for each step to another worker${META.burdenSamples ? ', as measured here' : ' (a guess)'}.${estimate}</p>` +
    `<table class="data"><thead><tr><th>on the longest chain</th><th>stretches</th><th>time</th><th></th></tr></thead><tbody>${META.path.map(part).join('')}</tbody></table>`;
}

// Speed-up over cores, both logarithmic: the bound, what to expect, what was measured.
function drawCurve() {
  const [context, width, height] = prepare($('curve'), 230);
  context.clearRect(0, 0, width, height);
  const top = 10, left = 34, bottom = height - 26, right = width - 12;
  const x = (cores) => left + Math.log2(cores) / 10 * (right - left), y = (speed) => bottom - Math.log2(Math.max(1, speed)) / 10 * (bottom - top);
  context.textAlign = 'center';
  for (let power = 0; power <= 10; power += 2) {
    context.fillStyle = css(mix(palette.paper, palette.ink, 0.1));
    context.fillRect(left, y(2 ** power), right - left, 1);
    context.fillRect(x(2 ** power), top, 1, bottom - top);
    context.fillStyle = css(mix(palette.ink, palette.paper, 0.4));
    context.fillText(2 ** power, x(2 ** power), bottom + 10);
    context.fillText(2 ** power, left - 14, y(2 ** power));
  }
  const line = (points, color, dash, thick) => {
    context.beginPath();
    context.setLineDash(dash);
    points.forEach(([cores, speed], i) => (i ? context.lineTo(x(cores), y(speed)) : context.moveTo(x(cores), y(speed))));
    context.strokeStyle = color;
    context.lineWidth = thick;
    context.stroke();
    context.setLineDash([]);
  };
  const quiet = css(mix(palette.paper, palette.ink, 0.35)), strong = css(palette.slots[0]);
  line([[1, 1], [1024, 1024]], quiet, [2, 3], 1);
  line(META.curve.map(([cores, best]) => [cores, best]), quiet, [], 1.5);
  line(META.curve.map(([cores, , expected]) => [cores, expected]), strong, [], 2);
  context.textAlign = 'right';
  const [, best, expected] = META.curve[META.curve.length - 1];
  context.fillStyle = quiet;
  context.fillText('at best', right - 2, Math.max(top + 8, Math.min(bottom - 22, y(best) - 8)));
  context.fillStyle = strong;
  context.fillText('at least', right - 2, Math.max(y(best) + 9, Math.min(bottom - 8, y(expected) + (y(expected) - y(best) > 24 ? -8 : 10))));
  context.fillStyle = css(palette.slots[2]);
  context.beginPath();
  context.arc(x(Math.max(1, META.workers)), y(META.measured), 4.5, 0, 7);
  context.fill();
  context.textAlign = 'left';
  context.fillText(`measured: ${META.measured.toFixed(2)} on ${META.workers.toFixed(0)}`, x(Math.max(1, META.workers)) + 8, y(META.measured) + 8);
}

function showHead() {
  const name = META.pool.name || 'longshore';
  document.title = `${name} – longshore`;
  $('title').textContent = name;
  $('bounds').textContent = META.bounds;
  $('report').textContent = META.report;
  $('flags').innerHTML = META.flags.map((flag, i) => `<li data-kind="${flag.kind}" ${flag.at ? `data-at="${i}" title="click to see"` : ''}>${escape(flag.text)}</li>`).join('');
}

function showLegend() {
  const shown = META.classes.map((_, c) => c).filter((c) => c > 0 && META.classes[c].total > 0);
  $('legend').innerHTML = shown.map((c) => `<span>${chip(colorOfClass(c))}${META.classes[c].name}</span>`).join('');
}
