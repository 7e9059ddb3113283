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

// For each block of tasks of a lane: what came before by label, the last end, the longest task.
function sumTasks(lane) {
  const slots = LABEL_OF_SLOT.length,
    blocks = Math.ceil(lane.count / BLOCK);
  lane.blocks = blocks;
  lane.time = new Float64Array((blocks + 1) * slots);
  lane.tasks = new Float64Array((blocks + 1) * slots);
  lane.lastEnd = new Float64Array(blocks);
  lane.longest = new Float64Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const at = (block + 1) * slots;
    for (let slot = 0; slot < slots; slot++) {
      lane.time[at + slot] = lane.time[at - slots + slot];
      lane.tasks[at + slot] = lane.tasks[at - slots + slot];
    }
    const end = Math.min(lane.count, (block + 1) * BLOCK);
    for (let i = lane.first + block * BLOCK; i < lane.first + end; i++) {
      lane.lastEnd[block] = Math.max(lane.lastEnd[block], T.end[i]);
      if (!HAS_RUN(i)) continue;
      lane.time[at + SLOT_OF[T.label[i]]] += T.own[i];
      lane.tasks[at + SLOT_OF[T.label[i]]] += 1;
      lane.longest[block] = Math.max(lane.longest[block], T.own[i]);
    }
  }
}

function sumGaps(lane) {
  const gaps = lane.gaps,
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
  for (const lane of LANES) {
    sumTasks(lane);
    sumGaps(lane);
  }
}

// Calls `take(task)` for the tasks of a lane that have begun before `x` and not ended.
function crossing(lane, x, take) {
  const stop = bound(T.begin, lane.first, lane.first + lane.count, x, true);
  for (let block = 0; lane.first + block * BLOCK < stop; block++) {
    if (lane.lastEnd[block] <= x) continue;
    const end = Math.min(stop, lane.first + (block + 1) * BLOCK);
    for (let i = lane.first + block * BLOCK; i < end; i++) if (T.end[i] > x) take(i);
  }
}

// Adds what happened on a lane before `x`, times `sign`, to `sums`.
function addBefore(lane, x, sign, sums) {
  const slots = LABEL_OF_SLOT.length;
  const stop = bound(T.begin, lane.first, lane.first + lane.count, x, true) - lane.first;
  const block = Math.floor(stop / BLOCK);
  for (let slot = 0; slot < slots; slot++) {
    sums.time[slot] += sign * lane.time[block * slots + slot];
    sums.tasks[slot] += sign * lane.tasks[block * slots + slot];
    sums.classes[CLASS.run] += sign * lane.time[block * slots + slot];
  }
  for (let i = lane.first + block * BLOCK; i < lane.first + stop; i++) {
    sums.classes[CLASS.run] += sign * (HAS_RUN(i) ? T.own[i] : 0);
    if (!HAS_RUN(i)) continue;
    sums.time[SLOT_OF[T.label[i]]] += sign * T.own[i];
    sums.tasks[SLOT_OF[T.label[i]]] += sign;
  }
  crossing(lane, x, (i) => {
    if (!HAS_RUN(i)) return;
    const after = (T.own[i] * (T.end[i] - x)) / (T.end[i] - T.begin[i]);
    sums.classes[CLASS.run] -= sign * after;
    sums.time[SLOT_OF[T.label[i]]] -= sign * after;
  });
  const gaps = lane.gaps,
    gap = bound(gaps.begin, 0, gaps.n, x, true),
    gapBlock = Math.floor(gap / BLOCK);
  for (let c = 0; c < 9; c++) sums.classes[c] += sign * gaps.sums[gapBlock * 9 + c];
  for (let i = gapBlock * BLOCK; i < gap; i++)
    sums.classes[gaps.cls[i]] += sign * (Math.min(gaps.end[i], x) - gaps.begin[i]);
  // A block of gaps may end after `x` only with its last one.
  if (gap === gapBlock * BLOCK && gap > 0 && gaps.end[gap - 1] > x)
    sums.classes[gaps.cls[gap - 1]] -= sign * (gaps.end[gap - 1] - x);
}

// What the kernel took, which counts as running until here.
function takeMissing(lane, from, to, classes) {
  for (const sample of lane.missing) {
    const inside = Math.min(to, sample.end) - Math.max(from, sample.begin);
    if (inside <= 0) continue;
    const lost = Math.min(classes[CLASS.run], (sample.lost * inside) / (sample.end - sample.begin));
    classes[CLASS.run] -= lost;
    classes[sample.cls] += lost;
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
  for (const lane of LANES) {
    sums.classes = new Float64Array(9);
    addBefore(lane, to, 1, sums);
    addBefore(lane, from, -1, sums);
    if (lane.worker === null) continue;
    takeMissing(lane, from, to, sums.classes);
    for (let c = 0; c < 9; c++) {
      sums.classes[c] = Math.max(0, sums.classes[c]);
      total[c] += sums.classes[c];
    }
    workers.push({ lane: lane.index, classes: sums.classes });
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
  for (const lane of LANES) {
    for (let block = 0; block < lane.blocks; block++) {
      const first = lane.first + block * BLOCK;
      if (lane.longest[block] <= least || lane.lastEnd[block] <= from || T.begin[first] >= to) continue;
      const end = Math.min(lane.first + lane.count, first + BLOCK);
      for (let i = first; i < end; i++) {
        if (T.own[i] > least && T.end[i] > from && T.begin[i] < to && HAS_RUN(i)) found.push(i);
      }
      if (found.length > 4 * count) keep();
    }
  }
  keep();
  return found;
}
