// What is above and below the tracks: the whole run, the axis, running and waiting tasks.

// Running tasks and waiting tasks over the window, below the tracks.
function drawStrips() {
  const [context, width, height] = prepare($('strips'), 104);
  context.clearRect(0, 0, width, height);
  drawAxis(context, width);
  const columns = Math.max(1, Math.floor(width - GUTTER)),
    step = (V.to - V.from) / columns;
  const workers = TRACKS.filter((track) => track.worker !== null);
  const running = new Float64Array(columns),
    waiting = new Float64Array(columns);
  for (const track of workers) {
    const level = levelFor(track, step),
      bin = META.duration / level.bins;
    for (let x = 0; x < columns; x++)
      running[x] +=
        level.busy[Math.min(level.bins - 1, Math.max(0, Math.floor((V.from + (x + 0.5) * step) / bin)))] || 0;
  }
  let at = Math.max(0, bound(DEPTH.time, 0, DEPTH.n, V.from, false) - 1);
  for (let x = 0; x < columns; x++) {
    const end = V.from + (x + 1) * step;
    let most = DEPTH.n && DEPTH.time[at] < end ? DEPTH.depth[at] : 0;
    while (at + 1 < DEPTH.n && DEPTH.time[at + 1] < end) most = Math.max(most, DEPTH.depth[++at]);
    waiting[x] = most;
  }
  const top = waiting.reduce((a, b) => Math.max(a, b), 0);
  strip(
    context,
    running,
    Math.max(1, workers.length),
    22,
    34,
    css(palette.plain),
    'running',
    `${workers.length}`,
  );
  strip(
    context,
    waiting,
    Math.max(1, top),
    64,
    34,
    css(palette.classes[CLASS.vain]),
    'waiting',
    formatNumber(top),
  );
}

function strip(context, values, most, y, height, color, name, label) {
  context.fillStyle = css(palette.track);
  context.fillRect(GUTTER, y, values.length, height);
  context.fillStyle = color;
  for (let x = 0; x < values.length; x++) {
    const size = Math.min(1, values[x] / most) * height;
    if (size > 0) context.fillRect(GUTTER + x, y + height - size, 1, size);
  }
  context.fillStyle = css(mix(palette.ink, palette.paper, 0.15));
  context.fillText(name, 12, y + height / 2 - 6);
  context.fillStyle = css(mix(palette.ink, palette.paper, 0.45));
  context.fillText(`of ${label}`, 12, y + height / 2 + 7);
}

function drawAxis(context, width) {
  const rough = (V.to - V.from) / Math.max(2, (width - GUTTER) / 120),
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough) || power * 10;
  context.textAlign = 'center';
  for (
    let time = Math.ceil((V.from - META.window[0]) / step) * step;
    time + META.window[0] <= V.to;
    time += step
  ) {
    const x = xOf(time + META.window[0], width);
    context.fillStyle = css(mix(palette.paper, palette.ink, 0.25));
    context.fillRect(x, 0, 1, 4);
    context.fillStyle = css(mix(palette.ink, palette.paper, 0.35));
    if (x > GUTTER + 20 && x < width - 25)
      context.fillText(formatTime(Math.abs(time) < step / 2 ? 0 : time), x, 11);
  }
  context.textAlign = 'left';
}

// The whole run, with the window in it.
function drawOverview() {
  const [context, width, height] = prepare($('overview'), 34);
  context.clearRect(0, 0, width, height);
  const columns = Math.max(1, Math.floor(width - GUTTER)),
    step = META.duration / columns;
  const workers = TRACKS.filter((track) => track.worker !== null);
  context.fillStyle = css(palette.plain);
  for (let x = 0; x < columns; x++) {
    let busy = 0;
    for (const track of workers) {
      const level = levelFor(track, step);
      busy +=
        level.busy[Math.min(level.bins - 1, Math.floor(((x + 0.5) * step) / (META.duration / level.bins)))] ||
        0;
    }
    const size = Math.min(1, busy / Math.max(1, workers.length)) * (height - 8);
    context.fillRect(GUTTER + x, height - 4 - size, 1, size);
  }
  const left = GUTTER + (V.from / META.duration) * columns,
    right = GUTTER + (V.to / META.duration) * columns;
  context.fillStyle = dark ? '#14181caa' : '#ffffffbb';
  context.fillRect(GUTTER, 0, Math.max(0, left - GUTTER), height);
  context.fillRect(right, 0, width - right, height);
  context.strokeStyle = css(palette.ink);
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, 1.5, Math.max(2, right - left - 1), height - 3);
  context.fillStyle = css(mix(palette.ink, palette.paper, 0.45));
  context.fillText('whole run', 12, height / 2);
}
