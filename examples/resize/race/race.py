#!/usr/bin/env python3
"""The race: `resize` against vipsthumbnail, a current libvips, sharp, ImageMagick and GraphicsMagick.

    cargo build --release -p longshore-resize
    python3 examples/resize/race/race.py --into examples/resize/README.md

Installs nothing, and says what is missing: without Pillow and numpy there is no race, without a competitor there
is no line for it. `--rounds`, `--sizes`, `--cores` and `--only` run it in pieces, whose results are put together.

All get the same 40 photographs, of 1.5 to 24 megapixels, made from those of the repository by seeded crops and
scales; every fifth is progressive. A round runs every competitor once, in another order each time, on tmpfs. The
table has medians. Processor time is that of a competitor's processes and their children. Memory is that of the
largest process times how many run side by side. A time on the wall counts only if other programs took less than a
twentieth of the processors meanwhile. SSIM compares luma with a Lanczos reduction in floating point, of every
fourth photograph.
"""
import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

try:
    import numpy
    from PIL import Image
except ImportError as error:
    sys.exit(f"missing: {error.name} (python3 -m pip install numpy pillow)")

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]
SEED = 20261130
COUNT = 40
QUALITY = 82
MARKS = ("<!-- race: written by race/race.py -->", "<!-- end of the race -->")

STARTER = """
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)]
child = os.posix_spawn('/usr/bin/env', ['env', *sys.argv[1:]], os.environ, file_actions=silent)
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


def resize(size, out, paths, cores):
    program = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target")) / "release" / "resize"
    how = ["--force", "--quiet", "-j", str(cores), "-s", f"{size}x{size}", "-q", str(QUALITY)]
    return [[program, *paths, "-o", out, *how]]


def vipsthumbnail(size, out, paths, cores):
    how = ["-s", f"{size}x{size}>", "-o", f"{out}/%s.jpg[Q={QUALITY}]"]
    return spread(lambda part: ["vipsthumbnail", *how, *part], paths, cores)


def libvips(size, out, paths, cores):
    return spread(lambda part: [sys.executable, "-c", VIPS, size, out, *part], paths, cores)


def sharp(size, out, paths, cores):
    return [["node", "-e", SHARP, "--", size, out, cores, *paths]]


def imagemagick(size, out, paths, cores):
    how = ["-limit", "thread", "1", "-path", out, "-resize", f"{size}x{size}>", "-quality", str(QUALITY)]
    return spread(lambda part: ["mogrify", *how, *part], paths, cores)


def graphicsmagick(size, out, paths, cores):
    how = ["-limit", "threads", "1", "-create-directories", "-output-directory", out]
    how += ["-resize", f"{size}x{size}>", "-quality", str(QUALITY)]
    return spread(lambda part: ["gm", "mogrify", *how, *part], paths, cores)


def versions(node):
    """The competitors that can be had: for each how its version is asked for, how it is run, whether it is one process,
    and how it is installed."""
    pyvips = "import pyvips; print('version', '.'.join(str(pyvips.version(i)) for i in range(3)))"
    package = f"console.log('version', require('{node}/node_modules/sharp/package.json').version)"
    return {
        "vipsthumbnail": (["vipsthumbnail", "--version"], r"vips-([\d.]+)", vipsthumbnail, False,
                          "apt-get install libvips-tools"),
        "libvips": ([sys.executable, "-c", pyvips], r"version ([\d.]+)", libvips, False,
                    "python3 -m pip install pyvips pyvips-binary"),
        "sharp": (["node", "-e", package], r"version ([\d.]+)", sharp, True, f"npm install --prefix {node} sharp"),
        "ImageMagick": (["mogrify", "-version"], r"ImageMagick ([\d.-]+)", imagemagick, False,
                        "apt-get install imagemagick"),
        "GraphicsMagick": (["gm", "version"], r"GraphicsMagick ([\d.]+)", graphicsmagick, False,
                           "apt-get install graphicsmagick"),
    }


def competitors(options):
    if not resize(1, "", [], 1)[0][0].exists():
        sys.exit("missing: the program (cargo build --release -p longshore-resize)")
    found = [Competitor("resize", "", resize, lambda cores: 1)]
    for name, (question, answer, command, is_one, install) in versions(options.node).items():
        version = re.search(answer, text(question))
        if version:
            processes = (lambda cores: 1) if is_one else (lambda cores: cores)
            found.append(Competitor(name, version[1], command, processes))
        else:
            print(f"missing: {name} ({install})", file=sys.stderr)
    return [one for one in found if not options.only or one.name in options.only]


def busy_time():
    """What all processors together have done so far, in seconds."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(competitor, size, paths, cores, out, options):
    """One run: wall time, processor time, memory."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = dict(os.environ, VIPS_CONCURRENCY="1", OMP_NUM_THREADS="1", NODE_PATH=f"{options.node}/node_modules")
    pin = ["taskset", "-c", f"0-{cores - 1}"]
    commands = competitor.command(size, out, [str(path) for path in paths], cores)
    # Through a small process, because a program's largest memory is at first that of the one that started it.
    starter = [sys.executable, "-S", "-c", STARTER, *pin]
    before, start = busy_time(), time.monotonic()
    running = [
        subprocess.Popen([*starter, *map(str, command)], env=environment, stdout=subprocess.PIPE, text=True)
        for command in commands]
    usages = []
    for process in running:
        said = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"{competitor.name} failed: {commands[0][:8]}")
        usages.append([float(number) for number in said.splitlines()[-1].split()])
    wall = time.monotonic() - start
    cpu = sum(usage[0] for usage in usages)
    others = (busy_time() - before - cpu) / (wall * os.cpu_count())
    written = sum(1 for path in out.rglob("*.jpg"))
    if written != len(paths):
        sys.exit(f"{competitor.name} has written {written} of {len(paths)} files")
    return {
        "wall": wall,
        "cpu": cpu,
        "others": others,
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
    pixels = numpy.asarray(image).astype(numpy.float32)
    channels = [Image.fromarray(pixels[:, :, c], "F").resize(target, Image.LANCZOS) for c in range(3)]
    rgb = numpy.stack([numpy.asarray(channel) for channel in channels], axis=2).clip(0, 255).astype(numpy.float64)
    return rgb @ numpy.array([0.299, 0.587, 0.114])


def measure(options):
    folder = Path(options.folder)
    paths = photographs(folder / "in")
    found = competitors(options)
    order = random.Random(SEED)
    results = {}
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
                # Other programs at work: times on the wall mean nothing then.
                row["busy"] = row.pop("others") > 0.05
                results[f"{size}/{cores}/{competitor.name}"] = row
                said = {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
                print(size, cores, competitor.name, said, flush=True)
    return results


def table(results):
    names = ["resize", *versions("")]
    lines = []
    for size, cores in sorted({tuple(map(int, key.split("/")[:2])) for key in results}):
        lines += [
            f"**To {size} pixels, {cores} {'core' if cores == 1 else 'cores'}**:", "",
            "| | rounds | wall, s | CPU, s | memory, MB | out, MB | SSIM |", "|---|---:|---:|---:|---:|---:|---:|"]
        for name in names:
            row = results.get(f"{size}/{cores}/{name}")
            if row:
                label = "**resize**" if name == "resize" else f"{name} {row['version']}"
                wall = "busy" if row["busy"] else f"{row['wall']:.2f}"
                figures = f"{row['cpu']:.2f} | {row['memory'] / 1e6:.0f} | {row['bytes'] / 1e6:.2f} | {row['ssim']:.4f}"
                lines.append(f"| {label} | {row['rounds']} | {wall} | {figures} |")
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
    record = str(CHECKOUT / "target" / "race.json")
    parser.add_argument("--json", default=record, help="results; those of other sizes, cores and names stay")
    parser.add_argument("--into", help="a page whose table is replaced")
    parser.add_argument("--table", action="store_true", help="measure nothing: a table of the results there are")
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
