// Sums over any window, from sums over blocks: a window costs some blocks, not all tasks.

// Labels by what their tasks took; those beyond the first 63 share the last place.
const SLOTS = 64;
const SLOT_OF = new Uint8Array(65536);
const LABEL_OF_SLOT = [];

function rankLabels() {
  const totals = new Float64Array(Math.max(1, META.labels.length)),
    seen = new Uint8Array(totals.length);
  for (let i = 0; i < T.n; i++) {
    if (!HAS_RUN(i)) continue;
    totals[T.label[i]] += T.own[i];
    seen[T.label[i]] = 1;
  }
  const order = [...totals.keys()].filter((label) => seen[label]).sort((a, b) => totals[b] - totals[a]);
  order.forEach((label, rank) => {
    SLOT_OF[label] = Math.min(rank, SLOTS - 1);
  });
  LABEL_OF_SLOT.push(...order.slice(0, SLOTS - 1));
  if (order.length >= SLOTS) LABEL_OF_SLOT.push(order.length === SLOTS ? order[SLOTS - 1] : -1);
}

// For each block of tasks of a track: what came before by label, and of tasks that were discarded; the last end,
// the longest task.
function sumTasks(track) {
  const slots = LABEL_OF_SLOT.length,
    blocks = Math.ceil(track.count / BLOCK);
  track.blocks = blocks;
  track.time = new Float64Array((blocks + 1) * slots);
  track.tasks = new Float64Array((blocks + 1) * slots);
  track.discarded = new Float64Array(blocks + 1);
  track.lastEnd = new Float64Array(blocks);
  track.longest = new Float64Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const at = (block + 1) * slots;
    for (let slot = 0; slot < slots; slot++) {
      track.time[at + slot] = track.time[at - slots + slot];
      track.tasks[at + slot] = track.tasks[at - slots + slot];
    }
    track.discarded[block + 1] = track.discarded[block];
    const end = Math.min(track.count, (block + 1) * BLOCK);
    for (let i = track.first + block * BLOCK; i < track.first + end; i++) {
      track.lastEnd[block] = Math.max(track.lastEnd[block], T.end[i]);
      if (!HAS_RUN(i)) {
        track.discarded[block + 1] += T.own[i];
        continue;
      }
      track.time[at + SLOT_OF[T.label[i]]] += T.own[i];
      track.tasks[at + SLOT_OF[T.label[i]]] += 1;
      track.longest[block] = Math.max(track.longest[block], T.own[i]);
    }
  }
}

function sumGaps(track) {
  const gaps = track.gaps,
    blocks = Math.ceil(gaps.n / BLOCK);
  gaps.sums = new Float64Array((blocks + 1) * 9);
  for (let block = 0; block < blocks; block++) {
    const at = (block + 1) * 9;
    for (let c = 0; c < 9; c++) gaps.sums[at + c] = gaps.sums[at - 9 + c];
    for (let i = block * BLOCK; i < Math.min(gaps.n, (block + 1) * BLOCK); i++)
      gaps.sums[at + gaps.cls[i]] += gaps.end[i] - gaps.begin[i];
  }
}

function buildSums() {
  rankLabels();
  for (const track of TRACKS) {
    sumTasks(track);
    sumGaps(track);
  }
}

// Calls `take(task)` for the tasks of a track that have begun before `x` and not ended.
function crossing(track, x, take) {
  const stop = bound(T.begin, track.first, track.first + track.count, x, true);
  for (let block = 0; track.first + block * BLOCK < stop; block++) {
    if (track.lastEnd[block] <= x) continue;
    const end = Math.min(stop, track.first + (block + 1) * BLOCK);
    for (let i = track.first + block * BLOCK; i < end; i++) if (T.end[i] > x) take(i);
  }
}

// Adds what happened on a track before `x`, times `sign`, to `sums`.
function addBefore(track, x, sign, sums) {
  const slots = LABEL_OF_SLOT.length;
  const stop = bound(T.begin, track.first, track.first + track.count, x, true) - track.first;
  const block = Math.floor(stop / BLOCK);
  for (let slot = 0; slot < slots; slot++) {
    sums.time[slot] += sign * track.time[block * slots + slot];
    sums.tasks[slot] += sign * track.tasks[block * slots + slot];
    sums.classes[CLASS.run] += sign * track.time[block * slots + slot];
  }
  // Discarding a task is the pool's own work.
  sums.classes[CLASS.own] += sign * track.discarded[block];
  for (let i = track.first + block * BLOCK; i < track.first + stop; i++) {
    sums.classes[HAS_RUN(i) ? CLASS.run : CLASS.own] += sign * T.own[i];
    if (!HAS_RUN(i)) continue;
    sums.time[SLOT_OF[T.label[i]]] += sign * T.own[i];
    sums.tasks[SLOT_OF[T.label[i]]] += sign;
  }
  crossing(track, x, (i) => {
    const after = (T.own[i] * (T.end[i] - x)) / (T.end[i] - T.begin[i]);
    sums.classes[HAS_RUN(i) ? CLASS.run : CLASS.own] -= sign * after;
    if (!HAS_RUN(i)) return;
    sums.time[SLOT_OF[T.label[i]]] -= sign * after;
  });
  const gaps = track.gaps,
    gap = bound(gaps.begin, 0, gaps.n, x, true),
    gapBlock = Math.floor(gap / BLOCK);
  for (let c = 0; c < 9; c++) sums.classes[c] += sign * gaps.sums[gapBlock * 9 + c];
  for (let i = gapBlock * BLOCK; i < gap; i++)
    sums.classes[gaps.cls[i]] += sign * (Math.min(gaps.end[i], x) - gaps.begin[i]);
  // A block of gaps may end after `x` only with its last one.
  if (gap === gapBlock * BLOCK && gap > 0 && gaps.end[gap - 1] > x)
    sums.classes[gaps.cls[gap - 1]] -= sign * (gaps.end[gap - 1] - x);
}

// What the kernel took, which counts as running until here, or as what the pool does itself.
function takeMissing(track, from, to, classes) {
  for (const sample of track.missing) {
    const inside = Math.min(to, sample.end) - Math.max(from, sample.begin);
    if (inside <= 0) continue;
    let left = (sample.lost * inside) / (sample.end - sample.begin);
    for (const cls of [CLASS.run, CLASS.own, CLASS.vain, CLASS.found]) {
      const lost = Math.min(classes[cls], left);
      classes[cls] -= lost;
      classes[sample.cls] += lost;
      left -= lost;
    }
  }
}

// Everything about a window: times by class for each worker, time and number of tasks by label.
function windowStats(from, to) {
  const slots = LABEL_OF_SLOT.length;
  const sums = {
    time: new Float64Array(slots),
    tasks: new Float64Array(slots),
    classes: new Float64Array(9),
  };
  const workers = [],
    total = new Float64Array(9);
  for (const track of TRACKS) {
    sums.classes = new Float64Array(9);
    addBefore(track, to, 1, sums);
    addBefore(track, from, -1, sums);
    if (track.worker === null) continue;
    takeMissing(track, from, to, sums.classes);
    for (let c = 0; c < 9; c++) {
      sums.classes[c] = Math.max(0, sums.classes[c]);
      total[c] += sums.classes[c];
    }
    workers.push({ track: track.index, classes: sums.classes });
  }
  return { from, to, workers, total, time: sums.time, tasks: sums.tasks };
}

// The tasks that took longest, of those that overlap the window.
function slowestTasks(from, to, count) {
  let found = [],
    least = 0;
  const keep = () => {
    found.sort((a, b) => T.own[b] - T.own[a]);
    found = found.slice(0, count);
    least = found.length === count ? T.own[found[count - 1]] : 0;
  };
  for (const track of TRACKS) {
    for (let block = 0; block < track.blocks; block++) {
      const first = track.first + block * BLOCK;
      if (track.longest[block] <= least || track.lastEnd[block] <= from || T.begin[first] >= to) continue;
      const end = Math.min(track.first + track.count, first + BLOCK);
      for (let i = first; i < end; i++) {
        if (T.own[i] > least && T.end[i] > from && T.begin[i] < to && HAS_RUN(i)) found.push(i);
      }
      if (found.length > 4 * count) keep();
    }
  }
  keep();
  return found;
}
