// The colours, light and dark.

const HUES = [
  [210, 62],
  [158, 52],
  [28, 80],
  [276, 48],
  [342, 62],
  [188, 62],
  [48, 74],
  [238, 52],
  [98, 42],
  [6, 66],
  [310, 42],
  [130, 40],
];
// The height of each class, in heights of a track.
const IDLE_PARTS = { 1: 0.45, 2: 0.3, 3: 0.3, 4: 1, 5: 0.12, 6: 0.72, 7: 0.85, 8: 1 };

let dark = false,
  palette = null;

function hsl(h, s, l) {
  s /= 100;
  l /= 100;
  const part = (n) => {
    const k = (n + h / 30) % 12,
      a = s * Math.min(l, 1 - l);
    return Math.round(255 * (l - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
const mix = (a, b, part) => a.map((value, i) => Math.round(value + (b[i] - value) * part));

function makePalette() {
  const paper = dark ? [27, 32, 38] : [255, 255, 255],
    ink = dark ? [228, 232, 235] : [29, 35, 39];
  const classes = [
    hsl(214, 16, 55),
    hsl(214, 8, dark ? 45 : 68),
    hsl(172, 45, dark ? 42 : 55),
    hsl(46, 70, dark ? 45 : 60),
    hsl(9, 78, dark ? 58 : 56),
    hsl(214, 14, dark ? 28 : 88),
    dark ? hsl(268, 26, 44) : hsl(268, 42, 78),
    hsl(24, 42, dark ? 40 : 55),
    hsl(220, 10, dark ? 70 : 25),
  ];
  const slots = Array.from({ length: SLOTS }, (_, slot) => {
    const [hue, saturation] = HUES[slot % HUES.length],
      turn = Math.floor(slot / HUES.length);
    return hsl(hue + turn * 11, saturation - turn * 4, (dark ? 56 : 54) + (turn % 2 ? -10 : turn * 4));
  });
  palette = {
    paper,
    ink,
    classes,
    slots,
    plain: hsl(212, 24, dark ? 52 : 58),
    none: hsl(214, 5, dark ? 40 : 70),
    track: mix(paper, ink, 0.035),
  };
}

function colorOf(label) {
  const color = META.labels[label] ? palette.slots[SLOT_OF[label]] : palette.plain;
  return V.match && !V.match[label] ? mix(palette.paper, color, 0.13) : color;
}

// Packed colours of labels, anew when the search or the theme changes.
let packed = [];
function packColors() {
  packed = Array.from({ length: Math.max(1, META.labels.length) }, (_, label) => pack(colorOf(label)));
}
