//! Chrome's trace events, as strict JSON: for Perfetto, `chrome://tracing`, speedscope, Firefox's profiler.
//!
//! The format is that of "Trace Event Format" by the Chromium authors: complete events (`X`), flow events
//! (`s`, `f`), counters (`C`), metadata (`M`). Times are microseconds.

use std::io::{self, Write};

use super::json::string;
use super::slices::{What, arrows, slices, task_name};
use crate::analysis::sleeps;
use crate::run::{Nanos, Parent, Run};

/// Writes a run.
///
/// # Errors
/// Those of `out`.
pub fn write_chrome(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let name = run.pool.get("name").map_or("longshore", String::as_str);
    write!(out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    write!(
        out,
        "{{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}",
        string(name)
    )?;
    let sleeps = sleeps(run);
    for (i, track) in run.tracks.iter().enumerate() {
        let tid = i + 1;
        let meta = |what: &str, value: String| {
            format!(",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{tid},\"name\":\"{what}\",\"args\":{{{value}}}}}")
        };
        let named = meta("thread_name", format!("\"name\":{}", string(&track.name)));
        write!(out, "{named}{}", meta("thread_sort_index", format!("\"sort_index\":{tid}")))?;
        for slice in slices(run, &sleeps, i as u32) {
            write!(
                out,
                ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{tid},\"ts\":{},\"dur\":{},",
                us(slice.begin),
                us(slice.end - slice.begin)
            )?;
            match slice.what {
                What::Task(task) => write_task(run, task, out)?,
                What::Pool(name) => write!(out, "\"cat\":\"pool\",\"name\":{}}}", string(name))?,
            }
        }
    }
    for (id, arrow) in arrows(run).into_iter().enumerate() {
        let to = &run.tasks[arrow.to as usize];
        let event = |ph: &str, track: u32, time: Nanos| {
            format!(
                ",\n{{\"ph\":{ph},\"pid\":1,\"tid\":{},\"ts\":{},\"cat\":\"steal\",\"name\":\"steal\",\"id\":{id}}}",
                track + 1,
                us(time)
            )
        };
        write!(
            out,
            "{}{}",
            event("\"s\"", arrow.from.0, arrow.from.1),
            event("\"f\",\"bp\":\"e\"", to.track, to.begin)
        )?;
    }
    for (time, depth) in &run.waiting {
        let args = format!("\"args\":{{\"tasks\":{depth}}}");
        write!(
            out,
            ",\n{{\"ph\":\"C\",\"pid\":1,\"tid\":0,\"ts\":{},\"name\":\"waiting\",{args}}}",
            us(*time)
        )?;
    }
    writeln!(out, "]}}")?;
    out.flush()
}

fn write_task(run: &Run, task: u32, out: &mut impl Write) -> io::Result<()> {
    let this = &run.tasks[task as usize];
    let parent = match this.parent {
        Parent::Unknown => String::new(),
        Parent::Task(parent) => format!(",\"parent\":{parent}"),
        Parent::Thread(track) => format!(",\"from\":{}", string(&run.tracks[track as usize].name)),
    };
    let waited = us(this.begin - this.submitted);
    write!(
        out,
        "\"cat\":\"task\",\"name\":{},\"args\":{{\"task\":{task},\"waited_us\":{waited},\"own_us\":{},\"outcome\":\"{:?}\"{parent}}}}}",
        string(&task_name(run, this)),
        us(this.own),
        this.outcome,
    )
}

/// Microseconds, exact to the nanosecond.
fn us(nanos: Nanos) -> String {
    let (whole, rest) = (nanos / 1000, nanos % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}
