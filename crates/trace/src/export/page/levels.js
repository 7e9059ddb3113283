// What a lane looks like from afar: how much of each stretch of time is work, of which label, and what else.

// Bins of all lanes together; the finest level of a lane has 2^k of them.
const MOST_BINS = 1 << 21;

function binsOf(lane) {
  const wanted = Math.max(1024, 2 * (lane.count + lane.gaps.n));
  const most = Math.min(1 << 18, MOST_BINS / Math.max(1, LANES.length));
  return 1 << Math.max(10, Math.ceil(Math.log2(Math.min(wanted, most))));
}

function emptyLevel(bins) {
  return { bins, busy: new Float32Array(bins), label: new Uint16Array(bins), best: new Float32Array(bins),
    idle: new Uint8Array(bins), idleBest: new Float32Array(bins) };
}

// Calls `take(bin, share)` for the bins that a stretch covers; shares are parts of a bin.
function spread(begin, end, width, bins, take) {
  let bin = Math.min(bins - 1, Math.floor(begin / width));
  const last = Math.min(bins - 1, Math.floor(end / width));
  if (bin === last) return take(bin, (end - begin) / width);
  take(bin, bin + 1 - begin / width);
  for (bin++; bin < last; bin++) take(bin, 1);
  take(last, end / width - last);
}

function finestLevel(lane) {
  const level = emptyLevel(binsOf(lane)), width = Math.max(1, META.duration) / level.bins;
  for (let i = lane.first; i < lane.first + lane.count; i++) {
    if (T.end[i] <= T.begin[i] || !HAS_RUN(i)) continue;
    const part = T.own[i] / (T.end[i] - T.begin[i]), label = T.label[i];
    spread(T.begin[i], T.end[i], width, level.bins, (bin, share) => {
      share *= part;
      level.busy[bin] += share;
      if (share > level.best[bin]) {
        level.best[bin] = share;
        level.label[bin] = label;
      }
    });
  }
  const gaps = lane.gaps;
  for (let i = 0; i < gaps.n; i++) {
    spread(gaps.begin[i], gaps.end[i], width, level.bins, (bin, share) => {
      if (share > level.idleBest[bin]) {
        level.idleBest[bin] = share;
        level.idle[bin] = gaps.cls[i];
      }
    });
  }
  return level;
}

function coarser(fine) {
  const level = emptyLevel(fine.bins / 2);
  for (let i = 0; i < level.bins; i++) {
    const a = 2 * i, b = a + 1;
    level.busy[i] = (fine.busy[a] + fine.busy[b]) / 2;
    const labelOf = fine.best[a] >= fine.best[b] ? a : b;
    level.label[i] = fine.label[labelOf];
    level.best[i] = fine.best[labelOf] / 2;
    const idleOf = fine.idleBest[a] >= fine.idleBest[b] ? a : b;
    level.idle[i] = fine.idle[idleOf];
    level.idleBest[i] = fine.idleBest[idleOf] / 2;
  }
  return level;
}

function buildLevels() {
  for (const lane of LANES) {
    lane.levels = [finestLevel(lane)];
    while (lane.levels[lane.levels.length - 1].bins > 256) lane.levels.push(coarser(lane.levels[lane.levels.length - 1]));
  }
}

// The coarsest level of a lane whose bins are not wider than `width` nanoseconds (or the finest).
function levelFor(lane, width) {
  const finest = META.duration / lane.levels[0].bins;
  const step = Math.floor(Math.log2(Math.max(1, width / finest)));
  return lane.levels[Math.min(step, lane.levels.length - 1)];
}
