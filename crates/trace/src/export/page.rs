//! One HTML page with everything in it, which opens offline in any browser.
//!
//! The tasks are columns of a compact binary form in base64: `page/data.js` decodes what [`Encoder`] writes.
//! The times are in units of a power of four nanoseconds, so that a task takes at most [`BYTES_A_TASK`] bytes
//! of the page, if that is possible.

use std::io::{self, Write};

use super::json::{float, list, string};
use crate::analysis::{Analysis, CLASSES, Class, Sleep};
use crate::run::{Activity, Gap, Nanos, Outcome, Parent, Run};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPTS: [&str; 9] = [
    include_str!("page/data.js"),
    include_str!("page/levels.js"),
    include_str!("page/stats.js"),
    include_str!("page/colors.js"),
    include_str!("page/draw.js"),
    include_str!("page/strips.js"),
    include_str!("page/panels.js"),
    include_str!("page/curve.js"),
    include_str!("page/view.js"),
];

/// Bytes of the page for each task of a large run, at most.
pub const BYTES_A_TASK: usize = 15;
/// Runs with fewer tasks keep their exact times.
const LARGE: usize = 10_000;
/// No unit is larger.
const LONGEST_UNIT: u64 = 1 << 14;

/// Writes a run as a page.
///
/// # Errors
/// Those of `out`.
pub fn write_page(run: &Run, analysis: &Analysis, out: &mut impl Write) -> io::Result<()> {
    write_page_at(run, analysis, None, out)
}

/// Writes a run as a page that shows a window first, in nanoseconds since the first record; see
/// [`part_window`](crate::analysis::part_window).
///
/// # Errors
/// Those of `out`.
pub fn write_page_at(
    run: &Run,
    analysis: &Analysis,
    view: Option<(Nanos, Nanos)>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut unit = 1;
    let mut data = Encoder::encode(run, analysis, unit);
    while run.tasks.len() >= LARGE
        && data.len() * 4 / 3 > run.tasks.len() * BYTES_A_TASK * 9 / 10
        && unit < LONGEST_UNIT
    {
        unit *= 4;
        data = Encoder::encode(run, analysis, unit);
    }
    let (meta, data) = (meta(run, analysis, view, unit), base64(&data));
    let script = SCRIPTS.concat();
    let parts = [
        ("/*STYLE*/", STYLE),
        ("/*DATA*/", data.as_str()),
        ("/*META*/", meta.as_str()),
        ("/*SCRIPT*/", script.as_str()),
    ];
    let mut rest = HTML;
    for (mark, part) in parts {
        let (before, after) = rest.split_once(mark).expect("the page has a place for each part");
        out.write_all(before.as_bytes())?;
        out.write_all(part.as_bytes())?;
        rest = after;
    }
    out.write_all(rest.as_bytes())?;
    out.flush()
}

/// All that is not a long column.
fn meta(run: &Run, analysis: &Analysis, view: Option<(Nanos, Nanos)>, unit: u64) -> String {
    let facts = |facts: &crate::format::Facts| {
        let pairs: Vec<_> =
            facts.iter().map(|(key, value)| format!("{}:{}", string(key), string(value))).collect();
        format!("{{{}}}", pairs.join(","))
    };
    let track = |track: &crate::run::Track| {
        let worker = track.worker().map_or("null".to_owned(), |worker| worker.to_string());
        format!(
            "{{\"name\":{},\"worker\":{worker},\"begin\":{},\"end\":{}}}",
            string(&track.name),
            track.begin,
            track.end
        )
    };
    let flag = |flag: &crate::analysis::Flag| {
        let at = flag.at.map_or("null".to_owned(), |(begin, end)| format!("[{begin},{end}]"));
        format!("{{\"kind\":{},\"text\":{},\"at\":{at}}}", string(flag.kind.name()), string(&flag.text))
    };
    let class = |class: &Class| {
        format!("{{\"name\":{},\"total\":{}}}", string(class.name()), analysis.total.get(*class))
    };
    let span = &analysis.span;
    let part = |part: &crate::analysis::PathPart| {
        format!("{{\"label\":{},\"tasks\":{},\"time\":{}}}", string(&part.label), part.tasks, part.time)
    };
    let point = |point: &crate::analysis::Point| list([point.cores, point.best, point.expected].map(float));
    let chain = list(span.steps.iter().map(|(task, _)| task.to_string()));
    [
        format!(
            "\"unit\":{unit},\"duration\":{},\"window\":[{},{}]",
            run.duration, analysis.window.0, analysis.window.1
        ),
        format!("\"view\":{}", view.map_or("null".to_owned(), |(from, to)| format!("[{from},{to}]"))),
        format!("\"pool\":{},\"stats\":{}", facts(&run.pool), facts(&run.stats)),
        format!("\"labels\":{}", list(run.labels.iter().map(|label| string(label)))),
        format!("\"tracks\":{}", list(run.tracks.iter().map(track))),
        format!("\"classes\":{}", list(CLASSES.iter().map(class))),
        format!("\"flags\":{}", list(analysis.flags.iter().map(flag))),
        format!("\"bounds\":{},\"report\":{}", string(&analysis.bounds()), string(&analysis.report(run))),
        format!(
            "\"tasks\":{},\"all\":{},\"workers\":{}",
            analysis.tasks,
            run.tasks.len(),
            float(analysis.workers)
        ),
        format!(
            "\"work\":{},\"span\":{},\"atMost\":{},\"burdened\":{}",
            span.work, span.span, span.at_most, span.burdened
        ),
        format!("\"burden\":{},\"burdenSamples\":{}", analysis.burden.nanos, analysis.burden.samples),
        format!(
            "\"path\":{},\"chain\":{chain}",
            list(span.path.iter().filter(|part| part.time > 0).take(12).map(part))
        ),
        format!("\"curve\":{}", list(analysis.curve.points.iter().map(point))),
        format!("\"measured\":{},\"lost\":{}", float(analysis.curve.measured), run.exactness.lost_words),
    ]
    .join(",\n")
}

/// Writes numbers in as few bytes as they need.
#[derive(Debug, Default)]
struct Encoder {
    bytes: Vec<u8>,
    unit: u64,
}

impl Encoder {
    fn encode(run: &Run, analysis: &Analysis, unit: u64) -> Vec<u8> {
        let mut encoder = Encoder { bytes: Vec::with_capacity(run.tasks.len() * 10), unit };
        // The tasks of a track follow each other, as the interpretation of tracks leaves them.
        let mut first = 0;
        for track in 0..run.tracks.len() as u32 {
            let count = run.tasks[first..].iter().take_while(|task| task.track == track).count();
            encoder.tasks(run, first, count);
            encoder.gaps(
                &run.tracks[track as usize].gaps,
                analysis.sleeps.iter().filter(|sleep| sleep.track == track),
            );
            encoder.missing(&run.tracks[track as usize]);
            first += count;
        }
        encoder.depths(run);
        encoder.bytes
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A number with a sign: small ones of both signs are short.
    fn signed(&mut self, value: i64) {
        self.number((value << 1 ^ value >> 63) as u64);
    }

    /// A number of which only the first seven binary digits count: two bytes at most.
    fn rough(&mut self, value: u64) {
        let shift = (u64::BITS - value.leading_zeros()).saturating_sub(7);
        let digits = value >> shift;
        self.number(if value < 64 { value } else { u64::from(shift + 1) * 64 + digits - 64 });
    }

    fn units(&self, time: Nanos) -> i64 {
        (time / self.unit) as i64
    }

    fn tasks(&mut self, run: &Run, first: usize, count: usize) {
        self.number(count as u64);
        let mut before = 0;
        for (i, task) in run.tasks[first..first + count].iter().enumerate() {
            let (begin, end) = (self.units(task.begin), self.units(task.end));
            self.signed(begin - before);
            self.number((end - begin) as u64);
            before = end;
            let own = self.units(task.own);
            let is_whole = own >= end - begin;
            let kind = match task.outcome {
                Outcome::Panicked => 1,
                Outcome::Failed => 2,
                Outcome::Unstarted | Outcome::Empty => 3,
                Outcome::Completed => 0,
            };
            let flags = u64::from(task.victim.is_some()) | u64::from(!is_whole) << 1 | kind << 2;
            self.number(u64::from(task.label) << 4 | flags);
            match task.parent {
                Parent::Unknown => self.number(0),
                Parent::Thread(track) => self.number(1 + 2 * u64::from(track)),
                Parent::Task(parent) => {
                    let distance = (first + i) as i64 - i64::from(parent);
                    self.number(2 + 2 * (distance << 1 ^ distance >> 63) as u64);
                }
            }
            self.rough((begin - self.units(task.submitted)).max(0) as u64);
            if !is_whole {
                self.number((end - begin - own).max(0) as u64);
            }
            if let Some(victim) = task.victim {
                self.number(u64::from(victim));
            }
        }
    }

    /// The gaps by class, sleep told apart. (begin, length, class).
    fn gaps<'a>(&mut self, gaps: &[Gap], sleeps: impl Iterator<Item = &'a Sleep>) {
        let mut sleeps = sleeps.peekable();
        let mut parts: Vec<(Nanos, Nanos, Class)> = Vec::with_capacity(gaps.len());
        for gap in gaps {
            let class = match gap.activity {
                Activity::Own => Class::Own,
                Activity::SearchFound => Class::SearchFound,
                Activity::SearchNothing => Class::SearchNothing,
                Activity::Parked => Class::Idle,
                Activity::Wait => Class::Wait,
                Activity::Block => Class::Block,
                Activity::Away | Activity::Gone => continue,
            };
            let mut begin = gap.begin;
            while let Some(sleep) = sleeps.next_if(|sleep| class == Class::Idle && sleep.begin < gap.end) {
                if sleep.end <= begin {
                    continue;
                }
                let (from, to) = (sleep.begin.max(begin), sleep.end.min(gap.end));
                parts.push((begin, from, Class::Idle));
                parts.push((from, to, Class::Missed));
                begin = to;
            }
            parts.push((begin, gap.end, class));
        }
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(begin, end, class)| (self.units(begin), self.units(end), class))
            .filter(|(begin, end, _)| begin < end)
            .collect();
        self.number(parts.len() as u64);
        let mut before = 0;
        for (begin, end, class) in parts {
            self.number((begin - before).max(0) as u64 * 9 + class as u64);
            self.number((end - begin) as u64);
            before = end;
        }
    }

    /// Time that the kernel took: (begin, length, how much of it, class).
    fn missing(&mut self, track: &crate::run::Track) {
        let lost = |sample: &crate::run::Cpu| crate::analysis::missing(track, sample);
        let samples: Vec<_> =
            track.cpu.iter().map(|sample| (*sample, lost(sample))).filter(|(_, lost)| *lost > 0).collect();
        self.number(samples.len() as u64);
        let mut before = 0;
        for (sample, lost) in samples {
            let (begin, end) = (self.units(sample.begin), self.units(sample.end));
            let is_blocked = crate::analysis::is_blocked(track, &sample);
            self.number((begin - before).max(0) as u64 * 2 + u64::from(is_blocked));
            self.number((end - begin) as u64);
            self.number(self.units(lost) as u64);
            before = end;
        }
    }

    /// How many tasks waited: the most within each of so many equal parts of the run, or exactly.
    fn depths(&mut self, run: &Run) {
        let most = (run.tasks.len() / 8 + 1_000).min(1 << 15);
        let mut points: Vec<(i64, u32)> =
            run.waiting.iter().map(|(time, depth)| (self.units(*time), *depth)).collect();
        if points.len() > most {
            let width = (self.units(run.duration) / (most as i64 / 2)).max(1);
            points = points
                .chunk_by(|a, b| a.0 / width == b.0 / width)
                .flat_map(|part| {
                    let highest = part.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
                    [(part[0].0, highest), part[part.len() - 1]]
                })
                .collect();
        }
        self.number(points.len() as u64);
        let (mut time, mut depth) = (0, 0);
        for (at, waiting) in points {
            self.number((at - time).max(0) as u64);
            self.signed(i64::from(waiting) - depth);
            (time, depth) = (at, i64::from(waiting));
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let word =
            part.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= part.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        assert_eq!(
            [b"".as_slice(), b"f", b"fo", b"foo", b"foob"].map(base64),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }
}
