// Speed-up over cores, both logarithmic: the bound, what to expect, what was measured.
function drawCurve() {
  const [context, width, height] = prepare($('curve'), 230);
  context.clearRect(0, 0, width, height);
  const top = 10,
    left = 34,
    bottom = height - 26,
    right = width - 12;
  const x = (cores) => left + (Math.log2(cores) / 10) * (right - left),
    y = (speed) => bottom - (Math.log2(Math.max(1, speed)) / 10) * (bottom - top);
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
    points.forEach(([cores, speed], i) =>
      i ? context.lineTo(x(cores), y(speed)) : context.moveTo(x(cores), y(speed)),
    );
    context.strokeStyle = color;
    context.lineWidth = thick;
    context.stroke();
    context.setLineDash([]);
  };
  const quiet = css(mix(palette.paper, palette.ink, 0.35)),
    strong = css(palette.slots[0]);
  line(
    [
      [1, 1],
      [1024, 1024],
    ],
    quiet,
    [2, 3],
    1,
  );
  line(
    META.curve.map(([cores, best]) => [cores, best]),
    quiet,
    [],
    1.5,
  );
  line(
    META.curve.map(([cores, , expected]) => [cores, expected]),
    strong,
    [],
    2,
  );
  context.textAlign = 'right';
  const [, best, expected] = META.curve[META.curve.length - 1];
  context.fillStyle = quiet;
  context.fillText('at best', right - 2, Math.max(top + 8, Math.min(bottom - 22, y(best) - 8)));
  context.fillStyle = strong;
  context.fillText(
    'at least',
    right - 2,
    Math.max(y(best) + 9, Math.min(bottom - 8, y(expected) + (y(expected) - y(best) > 24 ? -8 : 10))),
  );
  context.fillStyle = css(palette.slots[2]);
  context.beginPath();
  context.arc(x(Math.max(1, META.workers)), y(META.measured), 4.5, 0, 7);
  context.fill();
  context.textAlign = 'left';
  context.fillText(
    `measured: ${META.measured.toFixed(2)} on ${META.workers.toFixed(0)}`,
    x(Math.max(1, META.workers)) + 8,
    y(META.measured) + 8,
  );
}
