// The columns of the run, decoded. Times are nanoseconds since the first record.

const CLASS = { run: 0, own: 1, found: 2, vain: 3, missed: 4, idle: 5, wait: 6, block: 7, kernel: 8 };
const BLOCK = 256; // tasks or gaps that share a sum
const UNKNOWN = -1; // a parent that is not known; -2 - track is a thread from outside

const $ = (id) => document.getElementById(id);

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const plain = atob(text),
    bytes = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i++) bytes[i] = plain.charCodeAt(i);
  return bytes;
}

// Reads what `Encoder` of the exporter wrote.
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  // Small numbers, which are most, without multiplications.
  number() {
    const bytes = this.bytes;
    const first = bytes[this.at++];
    if (first < 128) return first;
    const second = bytes[this.at++];
    if (second < 128) return (first & 127) | (second << 7);
    const third = bytes[this.at++];
    const low = (first & 127) | ((second & 127) << 7);
    return third < 128 ? low | (third << 14) : this.long(low | ((third & 127) << 14));
  }

  long(low) {
    let value = low;
    for (let scale = 1 << 21; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  // A number of which only the first digits count.
  rough() {
    const value = this.number();
    return value < 64 ? value : (64 + (value % 64)) * 2 ** (Math.floor(value / 64) - 1);
  }

  signed() {
    const value = this.number();
    if (value < 1 << 30) return (value >> 1) ^ -(value & 1);
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }
}

const T = {
  // tasks, all tracks one after the other
  n: META.all,
  begin: new Float64Array(META.all),
  end: new Float64Array(META.all),
  own: new Float64Array(META.all),
  waited: new Float64Array(META.all),
  parent: new Int32Array(META.all),
  victim: new Int16Array(META.all),
  label: new Uint16Array(META.all),
  kind: new Uint8Array(META.all),
  track: new Uint16Array(META.all),
};
const HAS_RUN = (i) => T.kind[i] < 3;
const OUTCOMES = ['completed', 'panicked', 'returned an error', 'never began'];

function readTasks(reader, track, first) {
  const unit = META.unit,
    count = reader.number();
  let before = 0;
  for (let i = first; i < first + count; i++) {
    const begin = before + reader.signed(),
      length = reader.number();
    before = begin + length;
    const head = reader.number(),
      flags = head & 15,
      parent = reader.number();
    T.begin[i] = begin * unit;
    T.end[i] = before * unit;
    T.label[i] = head >> 4;
    T.kind[i] = flags >> 2;
    T.track[i] = track;
    if (parent === 0) T.parent[i] = UNKNOWN;
    else if (parent % 2) T.parent[i] = -2 - (parent - 1) / 2;
    else {
      const distance = (parent - 2) / 2;
      T.parent[i] = i - (distance % 2 ? -(distance + 1) / 2 : distance / 2);
    }
    T.waited[i] = reader.rough() * unit;
    T.own[i] = (flags & 2 ? length - reader.number() : length) * unit;
    T.victim[i] = flags & 1 ? reader.number() : -1;
  }
  return count;
}

function readGaps(reader) {
  const unit = META.unit,
    count = reader.number();
  const gaps = {
    n: count,
    begin: new Float64Array(count),
    end: new Float64Array(count),
    cls: new Uint8Array(count),
  };
  let before = 0;
  for (let i = 0; i < count; i++) {
    const head = reader.number();
    const begin = before + Math.floor(head / 9);
    before = begin + reader.number();
    gaps.begin[i] = begin * unit;
    gaps.end[i] = before * unit;
    gaps.cls[i] = head % 9;
  }
  return gaps;
}

function readMissing(reader) {
  const unit = META.unit,
    list = [];
  let before = 0;
  for (let n = reader.number(); n > 0; n--) {
    const head = reader.number(),
      begin = before + Math.floor(head / 2);
    before = begin + reader.number();
    list.push({
      begin: begin * unit,
      end: before * unit,
      lost: reader.number() * unit,
      cls: head % 2 ? CLASS.block : CLASS.kernel,
    });
  }
  return list;
}

const TRACKS = [];
const DEPTH = { n: 0, time: null, depth: null, most: 0 };

function decodeAll() {
  const element = $('data');
  const reader = new Reader(fromBase64(element.textContent));
  element.remove();
  let first = 0;
  META.tracks.forEach((track, index) => {
    const count = readTasks(reader, index, first);
    TRACKS.push({ ...track, index, first, count, gaps: readGaps(reader), missing: readMissing(reader) });
    first += count;
  });
  DEPTH.n = reader.number();
  DEPTH.time = new Float64Array(DEPTH.n);
  DEPTH.depth = new Float64Array(DEPTH.n);
  let time = 0,
    depth = 0;
  for (let i = 0; i < DEPTH.n; i++) {
    time += reader.number();
    depth += reader.signed();
    DEPTH.time[i] = time * META.unit;
    DEPTH.depth[i] = depth;
    DEPTH.most = Math.max(DEPTH.most, depth);
  }
}

// The first place from `low` to `high` whose value is above `x` (or at least `x`, with `orEqual`).
function bound(values, low, high, x, orEqual) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > x || (orEqual && values[middle] === x)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function formatTime(nanos) {
  const size = Math.abs(nanos);
  if (size < 1e3) return `${Math.round(nanos)} ns`;
  const [value, unit] =
    size < 1e6 ? [nanos / 1e3, 'µs'] : size < 1e9 ? [nanos / 1e6, 'ms'] : [nanos / 1e9, 's'];
  const digits = Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${unit}`;
}

const formatNumber = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
const formatShare = (part) =>
  part >= 0.0995 ? `${(part * 100).toFixed(0)} %` : `${(part * 100).toFixed(1)} %`;
const labelName = (label) => META.labels[label] || '(no label)';
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
