// The tracks. They are painted pixel by pixel, so that the time for a picture depends on its size and not on
// the number of tasks.

const GUTTER = 116; // pixels for the names
const V = {
  from: 0,
  to: 1,
  hover: -1,
  selected: -1,
  children: [],
  match: null,
  chain: false,
  drawn: 0,
  exact: true,
};

// A canvas in the pixels of the screen. Returns [context, width, height, scale].
function prepare(canvas, height) {
  const scale = window.devicePixelRatio || 1,
    width = canvas.clientWidth;
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d');
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.font = '11px system-ui, "DejaVu Sans", sans-serif';
  context.textBaseline = 'middle';
  return [context, width, height, scale];
}

// Rows: a track each, as high as fits.
const ROWS = [];
function layOut() {
  ROWS.length = 0;
  const workers = TRACKS.filter((track) => track.worker !== null),
    others = TRACKS.filter((track) => track.worker === null);
  const room = Math.max(180, window.innerHeight * 0.6);
  const height = Math.max(
    9,
    Math.min(64, Math.floor(room / Math.max(1, workers.length + others.length * 0.6)) - 1),
  );
  let y = 3;
  for (const track of [...others, ...workers]) {
    const own = track.worker === null ? Math.min(height, 18) : height;
    ROWS.push({ track, y, height: own });
    track.row = ROWS[ROWS.length - 1];
    y += own + (height > 14 ? 3 : 1);
  }
  return y + 3;
}

const xOf = (time, width) => GUTTER + ((time - V.from) / (V.to - V.from)) * (width - GUTTER);
const timeAt = (x, width) => V.from + ((x - GUTTER) / (width - GUTTER)) * (V.to - V.from);

// The pixels of all tracks.
class Raster {
  constructor(context, width, height) {
    this.image = context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.width = width;
    this.height = height;
    this.pixels.fill(pack(palette.paper));
  }

  fill(x0, x1, y0, y1, color) {
    x0 = Math.max(0, x0 | 0);
    x1 = Math.min(this.width, x1 | 0);
    y0 = Math.max(0, y0 | 0);
    y1 = Math.min(this.height, y1 | 0);
    const { pixels, width } = this;
    if (x1 - x0 > 12) {
      for (let y = y0; y < y1; y++) pixels.fill(color, y * width + x0, y * width + x1);
      return;
    }
    for (let y = y0 * width; y < y1 * width; y += width) for (let x = x0; x < x1; x++) pixels[y + x] = color;
  }
}

function drawTracks() {
  const height = layOut(),
    canvas = $('tracks');
  const [context, width, , scale] = prepare(canvas, height);
  const raster = new Raster(context, canvas.width, canvas.height);
  V.drawn = 0;
  V.exact = true;
  const texts = [];
  for (const row of ROWS) paintRow(raster, row, width, scale, texts);
  context.putImageData(raster.image, 0, 0);
  drawTexts(context, texts);
  drawArrows(context, width);
  drawMarks(context, width);
  drawNames(context);
}

// The places of the tasks of a track that can be seen: from the first that may end after the left edge.
function visible(track) {
  const stop = bound(T.begin, track.first, track.first + track.count, V.to, true);
  let start = bound(T.begin, track.first, track.first + track.count, V.from, true);
  crossing(track, V.from, (i) => {
    start = Math.min(start, i);
  });
  return [start, stop];
}

function paintRow(raster, row, width, scale, texts) {
  const { track } = row,
    [start, stop] = visible(track);
  const x0 = GUTTER * scale,
    y0 = row.y * scale,
    y1 = (row.y + row.height) * scale;
  const perPixel = ((width - GUTTER) * scale) / (V.to - V.from);
  raster.fill(x0, raster.width, y0, y1, pack(palette.track));
  if (track.worker === null) {
    raster.fill(
      x0 + (track.begin - V.from) * perPixel,
      x0 + (track.end - V.from) * perPixel,
      y1 - 3 * scale,
      y1 - scale,
      pack(palette.classes[CLASS.own]),
    );
  }
  V.drawn += stop - start;
  const gaps =
    bound(track.gaps.begin, 0, track.gaps.n, V.to, true) - bound(track.gaps.end, 0, track.gaps.n, V.from, false);
  if (stop - start + gaps > 2 * (raster.width - x0)) {
    V.exact = false;
    return paintFar(raster, track, x0, y0, y1);
  }
  paintGaps(raster, track, x0, y0, y1, perPixel, false);
  for (let i = start; i < stop; i++) {
    if (T.end[i] < V.from) continue;
    const left = x0 + (T.begin[i] - V.from) * perPixel,
      right = x0 + (T.end[i] - V.from) * perPixel;
    const inset = Math.min(T.depth[i], 5) * Math.max(1, (y1 - y0) * 0.1);
    const wide = right - left >= 3 * scale;
    const color = HAS_RUN(i) ? packed[T.label[i]] : pack(palette.none);
    raster.fill(
      Math.max(x0, left),
      Math.max(left + 1, right - (wide ? scale : 0)),
      y0 + inset,
      y1,
      T.kind[i] === 1 ? pack(palette.classes[CLASS.missed]) : color,
    );
    // What others are on top of has no room for its name.
    if (
      right - left > 46 * scale &&
      row.height - inset / scale >= 12 &&
      T.own[i] >= (T.end[i] - T.begin[i]) * 0.98
    ) {
      texts.push({
        task: i,
        x: Math.max(x0, left) / scale + 5,
        y: (y0 + inset + y1) / 2 / scale,
        room: (Math.min(right, raster.width) - Math.max(x0, left)) / scale - 9,
      });
    }
  }
  paintGaps(raster, track, x0, y0, y1, perPixel, true);
}

// Gaps between tasks, or those inside of tasks, which are painted over them.
function paintGaps(raster, track, x0, y0, y1, perPixel, inside) {
  const gaps = track.gaps;
  for (let i = bound(gaps.end, 0, gaps.n, V.from, false); i < gaps.n && gaps.begin[i] < V.to; i++) {
    if ((gaps.cls[i] === CLASS.wait || gaps.cls[i] === CLASS.block) !== inside) continue;
    const left = x0 + (gaps.begin[i] - V.from) * perPixel,
      right = x0 + (gaps.end[i] - V.from) * perPixel;
    const part = IDLE_PARTS[gaps.cls[i]] || 0.5;
    raster.fill(
      Math.max(x0, left),
      Math.max(left + 1, right),
      y1 - Math.max(2, (y1 - y0) * part),
      y1,
      pack(palette.classes[gaps.cls[i]]),
    );
  }
}

// From afar: a bar for each pixel, as high as the part of the time that is work.
function paintFar(raster, track, x0, y0, y1) {
  const perPixel = (V.to - V.from) / (raster.width - x0);
  const level = levelFor(track, perPixel),
    width = META.duration / level.bins;
  const classes = palette.classes.map(pack);
  for (let x = x0 | 0; x < raster.width; x++) {
    const time = V.from + (x - x0) * perPixel;
    const first = Math.floor(time / width),
      last = Math.max(first, Math.ceil((time + perPixel) / width) - 1);
    let busy = 0,
      label = 0,
      best = 0,
      idle = 0,
      idleBest = 0;
    for (let bin = Math.max(0, first); bin <= last && bin < level.bins; bin++) {
      busy += level.busy[bin];
      if (level.best[bin] > best) {
        best = level.best[bin];
        label = level.label[bin];
      }
      if (level.idleBest[bin] > idleBest) {
        idleBest = level.idleBest[bin];
        idle = level.idle[bin];
      }
    }
    busy = Math.min(1, busy / (last - first + 1));
    if (idleBest > 0.05)
      raster.fill(x, x + 1, y1 - Math.max(2, (y1 - y0) * IDLE_PARTS[idle]), y1, classes[idle]);
    if (busy > 0.004)
      raster.fill(x, x + 1, y1 - Math.max(1, Math.round((y1 - y0) * busy)), y1, packed[label]);
  }
}

function drawTexts(context, texts) {
  for (const text of texts.slice(0, 600)) {
    const label = META.labels[T.label[text.task]];
    if (!label || (V.match && !V.match[T.label[text.task]])) continue;
    context.fillStyle = dark ? '#0e1215' : '#fff';
    const letters = Math.floor(text.room / 6.2);
    if (letters >= 3)
      context.fillText(label.length > letters ? `${label.slice(0, letters - 1)}…` : label, text.x, text.y);
  }
}

function dot(context, x, y, size) {
  context.beginPath();
  context.arc(x, y, size, 0, 7);
  context.fill();
}

// From the place of its submission to a task.
function submission(context, width, i) {
  const parent = T.parent[i];
  const track = parent >= 0 ? T.track[parent] : parent < UNKNOWN ? -2 - parent : -1;
  if (track < 0 || !TRACKS[track].row) return;
  const from = TRACKS[track].row,
    to = TRACKS[T.track[i]].row;
  const x0 = Math.max(GUTTER, xOf(T.begin[i] - T.waited[i], width)),
    x1 = xOf(T.begin[i], width);
  const y0 = from.y + from.height / 2,
    y1 = to.y + (to.y > from.y ? 1 : to.height - 1);
  if (x1 < GUTTER || x0 > width) return;
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0 + (x1 - x0) * 0.3, y0, x1 - (x1 - x0) * 0.3, y1, x1, y1);
  context.stroke();
  dot(context, x1, y1, 2.5);
}

// From the worker that was robbed to the task.
function theft(context, width, i) {
  const from = TRACKS[T.victim[i]].row,
    to = TRACKS[T.track[i]].row,
    x = xOf(T.begin[i], width);
  if (!from || x < GUTTER) return;
  const y0 = from.y + from.height / 2,
    y1 = to.y > from.y ? to.y : to.y + to.height;
  context.beginPath();
  context.moveTo(x - 5, y0);
  context.quadraticCurveTo(x, (y0 + y1) / 2, x, y1);
  context.stroke();
  dot(context, x - 5, y0, 1.7);
  dot(context, x, y1, 1.7);
}

const MOST_ARROWS = 300;

function drawArrows(context, width) {
  V.arrows = 0;
  if (V.exact) {
    const shown = [];
    for (const row of ROWS) {
      const [start, stop] = visible(row.track);
      let last = -1e9; // of a batch that was stolen at once the first is enough
      for (let i = start; i < stop && shown.length <= MOST_ARROWS; i++) {
        if (T.victim[i] < 0 || T.end[i] < V.from) continue;
        const x = xOf(T.begin[i], width);
        if (x - last > 12) shown.push(i);
        last = x;
      }
    }
    if (shown.length <= MOST_ARROWS) {
      context.strokeStyle = context.fillStyle = css(mix(palette.paper, palette.ink, 0.62));
      context.lineWidth = 1;
      shown.forEach((i) => theft(context, width, i));
      V.arrows = shown.length;
    }
  }
  if (V.selected >= 0) {
    context.strokeStyle = context.fillStyle = css(palette.ink);
    context.lineWidth = 1.4;
    [V.selected, ...V.children.slice(0, 100)].forEach((i) => submission(context, width, i));
  }
}

function outline(context, width, i, color, thick) {
  const row = TRACKS[T.track[i]].row,
    left = Math.max(GUTTER, xOf(T.begin[i], width)),
    right = xOf(T.end[i], width);
  if (right < GUTTER || left > width) return;
  context.strokeStyle = color;
  context.lineWidth = thick;
  context.strokeRect(left - 0.5, row.y - 0.5, Math.max(2, Math.min(right, width + 4) - left), row.height + 1);
}

function drawMarks(context, width) {
  if (V.chain) {
    context.fillStyle = css(palette.ink);
    for (const i of META.chain) {
      const row = TRACKS[T.track[i]].row,
        left = Math.max(GUTTER, xOf(T.begin[i], width)),
        right = xOf(T.end[i], width);
      if (right >= GUTTER && left < width)
        context.fillRect(left, row.y + row.height - 3, Math.max(1.5, right - left), 3);
    }
  }
  if (V.hover >= 0) outline(context, width, V.hover, css(mix(palette.ink, palette.paper, 0.3)), 1);
  if (V.selected >= 0) outline(context, width, V.selected, css(palette.ink), 2);
}

function drawNames(context) {
  context.fillStyle = css(palette.paper);
  context.fillRect(0, 0, GUTTER - 1, 1e5);
  let last = -100;
  for (const row of ROWS) {
    const middle = row.y + row.height / 2;
    if (middle - last < 11) continue;
    last = middle;
    context.fillStyle = css(mix(palette.ink, palette.paper, row.track.worker === null ? 0.4 : 0.15));
    context.fillText(row.track.name.slice(0, 17), 12, middle, GUTTER - 18);
  }
}
