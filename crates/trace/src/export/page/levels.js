// What a track looks like from afar: how much of each stretch of time is work, of which label, and what else.

// The finest level of a track has 2^k bins: a bin for two or more tasks. Where fewer tasks than pixels are in
// sight, they are drawn one by one and no level is needed.
function binsOf(track) {
  return 1 << Math.max(10, Math.min(18, Math.ceil(Math.log2((track.count + track.gaps.n + 1) / 4))));
}

function emptyLevel(bins) {
  return {
    bins,
    busy: new Float32Array(bins),
    label: new Uint16Array(bins),
    best: new Float32Array(bins),
    idle: new Uint8Array(bins),
    idleBest: new Float32Array(bins),
  };
}

// Adds a stretch of time to the bins that it covers: `weight` is how much of it counts, in bins.
function addTask(level, begin, end, weight, label) {
  const { busy, best, bins } = level,
    last = Math.min(bins - 1, Math.floor(end));
  for (let bin = Math.min(bins - 1, Math.floor(begin)); bin <= last; bin++) {
    const share = (Math.min(end, bin + 1) - Math.max(begin, bin)) * weight;
    busy[bin] += share;
    if (share > best[bin]) {
      best[bin] = share;
      level.label[bin] = label;
    }
  }
}

function addGap(level, begin, end, cls) {
  const { idleBest, bins } = level,
    last = Math.min(bins - 1, Math.floor(end));
  for (let bin = Math.min(bins - 1, Math.floor(begin)); bin <= last; bin++) {
    const share = Math.min(end, bin + 1) - Math.max(begin, bin);
    if (share > idleBest[bin]) {
      idleBest[bin] = share;
      level.idle[bin] = cls;
    }
  }
}

function finestLevel(track) {
  const level = emptyLevel(binsOf(track)),
    scale = level.bins / Math.max(1, META.duration);
  const { begin, end, own, label, kind } = T;
  for (let i = track.first; i < track.first + track.count; i++) {
    if (end[i] > begin[i] && kind[i] < 3)
      addTask(level, begin[i] * scale, end[i] * scale, own[i] / (end[i] - begin[i]), label[i]);
  }
  const gaps = track.gaps;
  for (let i = 0; i < gaps.n; i++) addGap(level, gaps.begin[i] * scale, gaps.end[i] * scale, gaps.cls[i]);
  return level;
}

function coarser(fine) {
  const level = emptyLevel(fine.bins / 2);
  for (let i = 0; i < level.bins; i++) {
    const a = 2 * i,
      b = a + 1;
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
  for (const track of TRACKS) {
    track.levels = [finestLevel(track)];
    while (track.levels[track.levels.length - 1].bins > 256)
      track.levels.push(coarser(track.levels[track.levels.length - 1]));
  }
}

// The coarsest level of a track whose bins are not wider than `width` nanoseconds (or the finest).
function levelFor(track, width) {
  const finest = META.duration / track.levels[0].bins;
  const step = Math.floor(Math.log2(Math.max(1, width / finest)));
  return track.levels[Math.min(step, track.levels.length - 1)];
}
