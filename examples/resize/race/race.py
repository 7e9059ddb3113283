#!/usr/bin/env python3
"""The race: `resize` against vipsthumbnail, a current libvips, ImageMagick, GraphicsMagick and sharp.

    python3 examples/resize/race/race.py --into examples/resize/README.md

Needs Pillow and numpy; of the competitors those run that are installed (Debian: libvips-tools, imagemagick, graphicsmagick; PyPI:
pyvips with pyvips-binary; npm: sharp, below --node). All of them get the same 40 photographs, of 1.5 to 24 megapixels, made from those of the
repository by seeded crops and scales; every fifth is progressive. Each round runs every competitor once, in another order; the table has
the medians, without times on the wall if other programs were at work. Processor time is that of the process and its children; memory is the largest of a competitor's processes times how
many run side by side; SSIM compares luma with a Lanczos reduction of the decoded photograph in floating point.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy
from PIL import Image

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]
SEED = 20261130
COUNT = 40
QUALITY = 82
MARKS = ("<!-- race: written by race/race.py -->", "<!-- end of the race -->")

STARTER = """
import os, sys
child = os.posix_spawn('/usr/bin/env', ['env', *sys.argv[1:]], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)])
_, status, usage = os.wait4(child, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(status != 0)
"""

VIPS = """
import sys, pyvips
size, out = int(sys.argv[1]), sys.argv[2]
for path in sys.argv[3:]:
    image = pyvips.Image.thumbnail(path, size, height=size, size="down")
    image.jpegsave(out + "/" + path.rsplit("/", 1)[1], Q=%d)
""" % QUALITY

SHARP = """
const sharp = require('sharp');
const [size, out, jobs, ...paths] = process.argv.slice(1);
sharp.concurrency(1); sharp.cache(false);
let next = 0;
async function worker() {
  while (next < paths.length) {
    const path = paths[next++];
    await sharp(path).resize(+size, +size, {fit: 'inside', withoutEnlargement: true}).rotate()
      .jpeg({quality: %d}).toFile(out + '/' + path.split('/').pop());
  }
}
Promise.all(Array.from({length: +jobs}, worker));
""" % QUALITY


def photographs(folder):
    """Makes the photographs, once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02}.jpg" for number in range(COUNT)]
    if all(path.exists() for path in paths):
        return paths
    sources = sorted((CHECKOUT / "examples" / "photos").glob("*.jpg"))
    draw = random.Random(SEED)
    for number, path in enumerate(paths):
        image = Image.open(sources[number % len(sources)]).convert("RGB")
        # More small ones than large ones, as in any collection.
        pixels = 1.5e6 * (16 ** (draw.random() ** 1.3))
        share = draw.uniform(0.6, 1.0)
        width, height = (int(side * share) for side in image.size)
        left, top = draw.randrange(image.width - width + 1), draw.randrange(image.height - height + 1)
        factor = (pixels / (width * height)) ** 0.5
        size = (round(width * factor), round(height * factor))
        image = image.resize(size, Image.LANCZOS, box=(left, top, left + width, top + height))
        image.save(path, quality=draw.choice([85, 90, 95]), progressive=number % 5 == 4)
    return paths


class Competitor:
    """A program: its name, how it is run on some cores, how many processes that are."""

    def __init__(self, name, version, command, processes):
        self.name, self.version, self.command, self.processes = name, version, command, processes


def text(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return (done.stdout + done.stderr).strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def spread(command, paths, cores):
    """Runs a command with parts of the paths side by side, as `xargs -P` does."""
    # Dealt out by turns, so that no process gets all the large ones.
    parts = [paths[number::cores] for number in range(cores)]
    return [[str(part) for part in command(part)] for part in parts]


def competitors(options):
    found = []
    program = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target")) / "release" / "resize"
    if not program.exists():
        sys.exit("build it first: cargo build --release -p longshore-resize")

    def ours(size, out, paths, cores):
        return [[program, *paths, "-o", out, "--force", "--quiet", "-j", str(cores), "-s", f"{size}x{size}", "-q", str(QUALITY)]]

    found.append(Competitor("resize", "this", ours, lambda cores: 1))
    version = text(["vipsthumbnail", "--version"])
    if version:
        def thumbnail(size, out, paths, cores):
            return spread(lambda part: ["vipsthumbnail", "-s", f"{size}x{size}>", "-o", f"{out}/%s.jpg[Q={QUALITY}]", *part], paths, cores)

        found.append(Competitor("vipsthumbnail", version.split()[0].replace("vips-", ""), thumbnail, lambda cores: cores))
    version = text([sys.executable, "-c", "import pyvips; print('.'.join(str(pyvips.version(i)) for i in range(3)))"])
    if version and version[0].isdigit():
        def vips(size, out, paths, cores):
            return spread(lambda part: [sys.executable, "-c", VIPS, size, out, *part], paths, cores)

        found.append(Competitor("libvips", version, vips, lambda cores: cores))
    version = text(["node", "-e", f"console.log(require('{options.node}/node_modules/sharp/package.json').version)"])
    if version and version[0].isdigit():
        def sharp(size, out, paths, cores):
            return [["node", "-e", SHARP, "--", size, out, cores, *paths]]

        found.append(Competitor("sharp", version, sharp, lambda cores: 1))
    version = text(["mogrify", "-version"])
    if "ImageMagick" in version:
        def magick(size, out, paths, cores):
            command = ["mogrify", "-limit", "thread", "1", "-path", out, "-resize", f"{size}x{size}>", "-quality", str(QUALITY)]
            return spread(lambda part: [*command, *part], paths, cores)

        found.append(Competitor("ImageMagick", version.split()[2], magick, lambda cores: cores))
    version = text(["gm", "version"])
    if "GraphicsMagick" in version:
        def graphics(size, out, paths, cores):
            command = ["gm", "mogrify", "-limit", "threads", "1", "-create-directories", "-output-directory", out, "-resize", f"{size}x{size}>", "-quality", str(QUALITY)]
            return spread(lambda part: [*command, *part], paths, cores)

        found.append(Competitor("GraphicsMagick", version.split()[1], graphics, lambda cores: cores))
    return found


def run(competitor, size, paths, cores, out, options):
    """One run: wall time, processor time, memory."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = dict(os.environ, VIPS_CONCURRENCY="1", OMP_NUM_THREADS="1", NODE_PATH=f"{options.node}/node_modules")
    pin = ["taskset", "-c", f"0-{cores - 1}"]
    commands = competitor.command(size, out, [str(path) for path in paths], cores)
    start = time.monotonic()
    # Through a small process, because a program's largest memory is at first that of the one that started it.
    start_one = lambda command: subprocess.Popen(  # noqa: E731
        [sys.executable, "-S", "-c", STARTER, *pin, *map(str, command)], env=environment, stdout=subprocess.PIPE, text=True)
    running = [start_one(command) for command in commands]
    usages = []
    for process in running:
        said = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"{competitor.name} failed: {commands[0][:8]}")
        usages.append([float(number) for number in said.splitlines()[-1].split()])
    wall = time.monotonic() - start
    written = sum(1 for path in out.rglob("*.jpg"))
    if written != len(paths):
        sys.exit(f"{competitor.name} has written {written} of {len(paths)} files")
    return {
        "wall": wall,
        "cpu": sum(usage[0] for usage in usages),
        "memory": max(usage[1] for usage in usages) * 1024 * competitor.processes(cores),
        "bytes": sum(path.stat().st_size for path in out.rglob("*.jpg")),
    }


def luma(image):
    rgb = numpy.asarray(image.convert("RGB"), dtype=numpy.float64)
    return rgb @ numpy.array([0.299, 0.587, 0.114])


def ssim(a, b, window=8):
    """Mean structural similarity (Wang et al., 2004) over windows of 8 by 8."""
    def means(x):
        sums = numpy.pad(x.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        total = sums[window:, window:] - sums[:-window, window:] - sums[window:, :-window] + sums[:-window, :-window]
        return total / window**2

    ma, mb = means(a), means(b)
    va, vb, cov = means(a * a) - ma**2, means(b * b) - mb**2, means(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


def likeness(out, references):
    values = []
    for name, reference in references.items():
        image = Image.open(next(out.rglob(name)))
        if image.size != (reference.shape[1], reference.shape[0]):
            image = image.resize((reference.shape[1], reference.shape[0]), Image.LANCZOS)
        values.append(ssim(luma(image), reference))
    return statistics.mean(values)


def reference(path, size):
    image = Image.open(path).convert("RGB")
    factor = min(size / image.width, size / image.height, 1)
    target = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    channels = [Image.fromarray(numpy.asarray(image)[:, :, c].astype(numpy.float32), "F").resize(target, Image.LANCZOS) for c in range(3)]
    rgb = numpy.stack([numpy.asarray(channel) for channel in channels], axis=2).clip(0, 255).astype(numpy.float64)
    return rgb @ numpy.array([0.299, 0.587, 0.114])


def measure(options):
    folder = Path(options.folder)
    paths = photographs(folder / "in")
    found = [one for one in competitors(options) if not options.only or one.name in options.only]
    order = random.Random(SEED)
    results = {}
    # Other programs at work: times on the wall mean nothing then.
    busy = os.getloadavg()[0] > 1
    for size in options.sizes:
        references = {path.name: reference(path, size) for path in paths[::4]}
        for cores in options.cores:
            samples = {competitor.name: [] for competitor in found}
            for number in range(options.rounds):
                turn = found[:]
                order.shuffle(turn)
                for competitor in turn:
                    out = folder / "out" / competitor.name
                    samples[competitor.name].append(run(competitor, size, paths, cores, out, options))
            for competitor in found:
                taken = samples[competitor.name]
                row = {key: statistics.median(sample[key] for sample in taken) for key in taken[0]}
                row["ssim"] = likeness(folder / "out" / competitor.name, references)
                row["version"] = competitor.version
                row["rounds"] = len(taken)
                row["busy"] = busy
                results[f"{size}/{cores}/{competitor.name}"] = row
                print(size, cores, competitor.name, {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    return results


def table(results):
    names = list(dict.fromkeys(key.split("/")[2] for key in results))
    lines = []
    megapixels = "1.5 to 24 megapixels"
    for case in dict.fromkeys(tuple(key.split("/")[:2]) for key in results):
        size, cores = case
        lines += [f"**To {size} pixels, {cores} {'core' if cores == '1' else 'cores'}** ({COUNT} photographs of {megapixels}):", "",
                  "| | rounds | wall, s | CPU, s | memory, MB | out, MB | SSIM |", "|---|---:|---:|---:|---:|---:|---:|"]
        for name in names:
            row = results.get(f"{size}/{cores}/{name}")
            if row:
                label = "**resize**" if name == "resize" else f"{name} {row['version']}"
                wall = "busy" if row["busy"] else f"{row['wall']:.2f}"
                lines.append(f"| {label} | {row['rounds']} | {wall} | {row['cpu']:.2f} | {row['memory'] / 1e6:.0f} | {row['bytes'] / 1e6:.2f} | {row['ssim']:.4f} |")
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[400, 1600])
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", help="names of competitors to run; the results of the others stay")
    parser.add_argument("--folder", default="/dev/shm/resize-race", help="where the photographs and the outputs are")
    parser.add_argument("--node", default="/opt/race", help="where sharp is installed")
    parser.add_argument("--json", default=str(CHECKOUT / "target" / "race.json"), help="results; those of other sizes and cores stay")
    parser.add_argument("--into", help="a page whose table is replaced")
    parser.add_argument("--table", action="store_true", help="make the table of the results there are, measure nothing")
    options = parser.parse_args()
    record = Path(options.json)
    results = json.loads(record.read_text()) if record.exists() else {}
    if not options.table:
        results.update(measure(options))
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(results, indent=1))
    made = table(results)
    if options.into:
        page = Path(options.into)
        before, rest = page.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        page.write_text(f"{before}{MARKS[0]}\n{made}{MARKS[1]}{after}")
    else:
        print(made)


if __name__ == "__main__":
    main()
