//! `longshore-trace`: reads recordings, reports, compares, converts.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use longshore_trace::analysis::{
    Analysis, Diff, FlagKind, PartError, TimeError, parse_time, part, part_window,
};
use longshore_trace::export::{write_chrome, write_page_at, write_perfetto};
use longshore_trace::format::Recording;
use longshore_trace::run::{Nanos, Run};

const HELP: &str = "\
longshore-trace: says what a pool of longshore did, from its recording (.lsr)

  longshore-trace report FILE [PART]       where the time went, work and span, red flags
  longshore-trace html FILE [-o OUT] [PART]
                                           one page, to be opened in a browser
  longshore-trace json FILE [-o OUT]       Chrome's trace events, for most viewers
  longshore-trace pftrace FILE [-o OUT]    Perfetto's format
  longshore-trace diff FILE FILE           how the second run differs from the first
  longshore-trace check FILE [--ignore FLAG]... [PART]
                                           only the red flags; status 1 if there are any

PART is --from TIME, --to TIME or both, since the begin of the run: 1.84s, \"250 ms\", 40us, 7ns. The report and the
flags are then about that part of the run alone; the page shows it first.
OUT is FILE with another ending if it is not given; `-` is standard output. A recording that was cut off, as when the
process was killed, is read as far as it goes, with a warning.

Status: 0 fine, 1 red flags (check) or changes worth a word (diff), 2 an error.";

/// What the command line asks for.
#[derive(Debug)]
enum Task {
    Help,
    Version,
    Report(PathBuf, Part),
    Export(Form, PathBuf, Option<PathBuf>, Part),
    Diff(PathBuf, PathBuf),
    Check(PathBuf, Vec<FlagKind>, Part),
}

/// A part of the run, in nanoseconds since its begin.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    from: Option<Nanos>,
    to: Option<Nanos>,
}

impl Part {
    fn is_whole(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// The whole run if nothing else is asked for.
    fn analyse(self, run: Run) -> Result<(Run, Analysis), PartError> {
        if self.is_whole() {
            let analysis = Analysis::new(&run);
            return Ok((run, analysis));
        }
        let part = part(&run, part_window(&run, self.from, self.to)?);
        let analysis = Analysis::of_part(&run, &part);
        Ok((part, analysis))
    }
}

/// What to write.
#[derive(Debug, Clone, Copy)]
enum Form {
    Html,
    Json,
    Pftrace,
}

impl Form {
    fn ending(self) -> &'static str {
        match self {
            Form::Html => "html",
            Form::Json => "json",
            Form::Pftrace => "pftrace",
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let result = parse(&arguments).and_then(|task| perform(&task));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("longshore-trace: {message}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[std::ffi::OsString]) -> Result<Task, String> {
    let Some((command, rest)) = arguments.split_first() else { return Ok(Task::Help) };
    let name = command.to_string_lossy().into_owned();
    let (mut files, mut out, mut ignored) = (Vec::new(), None, Vec::new());
    let mut rest = rest.iter();
    let mut part = Part::default();
    let takes_out = matches!(name.as_str(), "html" | "json" | "pftrace");
    let takes_part = matches!(name.as_str(), "report" | "html" | "check");
    while let Some(argument) = rest.next() {
        match argument.to_string_lossy().as_ref() {
            "-h" | "--help" => return Ok(Task::Help),
            "-o" | "--output" if takes_out => {
                out = Some(PathBuf::from(rest.next().ok_or("-o needs a file")?));
            }
            option @ ("--from" | "--to") if takes_part => {
                let text = rest.next().ok_or_else(|| format!("{option} needs a time"))?.to_string_lossy();
                let named = |error: TimeError| format!("{option}: {error}");
                let time = Some(parse_time(&text).map_err(named)?);
                *(if option == "--from" { &mut part.from } else { &mut part.to }) = time;
            }
            "--ignore" if name == "check" => {
                let flag = rest.next().ok_or("--ignore needs a flag")?.to_string_lossy().into_owned();
                let known = FlagKind::ALL.into_iter().find(|kind| kind.name() == flag);
                ignored.push(
                    known.ok_or_else(|| {
                        format!("--ignore {flag}: no such flag; there are {}", flag_names())
                    })?,
                );
            }
            other if other.starts_with('-') && other != "-" => {
                return Err(format!("{name} has no option {other}"));
            }
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let one = |mut files: Vec<PathBuf>| match files.len() {
        1 => Ok(files.remove(0)),
        count => Err(format!("{name} takes one file, not {count}")),
    };
    match name.as_str() {
        "help" | "-h" | "--help" => Ok(Task::Help),
        "-V" | "--version" => Ok(Task::Version),
        "report" => Ok(Task::Report(one(files)?, part)),
        "html" => Ok(Task::Export(Form::Html, one(files)?, out, part)),
        "json" => Ok(Task::Export(Form::Json, one(files)?, out, part)),
        "pftrace" => Ok(Task::Export(Form::Pftrace, one(files)?, out, part)),
        "check" => Ok(Task::Check(one(files)?, ignored, part)),
        "diff" => match <[PathBuf; 2]>::try_from(files) {
            Ok([before, after]) => Ok(Task::Diff(before, after)),
            Err(files) => Err(format!("diff takes two files, not {}", files.len())),
        },
        other => Err(format!("unknown command {other}; --help lists all")),
    }
}

fn flag_names() -> String {
    FlagKind::ALL.map(FlagKind::name).join(", ")
}

fn perform(task: &Task) -> Result<u8, String> {
    match task {
        Task::Help => say(HELP).map(|()| 0),
        Task::Version => say(concat!("longshore-trace ", env!("CARGO_PKG_VERSION"))).map(|()| 0),
        Task::Report(path, part) => {
            let (run, analysis) = part.analyse(read(path)?).map_err(|error| named(path, &error))?;
            say(analysis.report(&run).trim_end()).map(|()| 0)
        }
        Task::Export(form, path, out, part) => {
            let run = read(path)?;
            let view = match part.is_whole() {
                true => None,
                false => Some(part_window(&run, part.from, part.to).map_err(|error| named(path, &error))?),
            };
            let out = out.clone().unwrap_or_else(|| path.with_extension(form.ending()));
            export(*form, &run, view, &out).map_err(|error| format!("{}: {error}", out.display()))?;
            Ok(0)
        }
        Task::Diff(before, after) => {
            let (before, after) = (read(before)?, read(after)?);
            let diff = Diff::new(&Analysis::new(&before), &Analysis::new(&after));
            say(diff.to_string().trim_end())?;
            Ok(u8::from(!diff.flags().is_empty()))
        }
        Task::Check(path, ignored, part) => {
            let (_, Analysis { flags, .. }) =
                part.analyse(read(path)?).map_err(|error| named(path, &error))?;
            let mut bad = flags.iter().filter(|flag| !ignored.contains(&flag.kind)).peekable();
            let status = u8::from(bad.peek().is_some());
            bad.try_for_each(|flag| say(&format!("{} [{}]", flag.text, flag.kind.name())))?;
            Ok(status)
        }
    }
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// Reads a recording, with a warning if it breaks off.
fn read(path: &Path) -> Result<Run, String> {
    let bytes = std::fs::read(path).map_err(|error| named(path, &error))?;
    let recording = Recording::parse_cut(&bytes).map_err(|error| named(path, &error))?;
    if let Some(offset) = recording.cut_at {
        eprintln!(
            "longshore-trace: {}: cut off at byte {offset}; this is about what comes before",
            path.display()
        );
    }
    Run::new(&recording).map_err(|error| named(path, &error))
}

fn export(form: Form, run: &Run, view: Option<(Nanos, Nanos)>, path: &Path) -> io::Result<()> {
    let out: Box<dyn Write> = match path.to_str() {
        Some("-") => Box::new(io::stdout().lock()),
        _ => Box::new(File::create(path)?),
    };
    let mut out = BufWriter::new(out);
    match form {
        Form::Html => write_page_at(run, &Analysis::new(run), view, &mut out),
        Form::Json => write_chrome(run, &mut out),
        Form::Pftrace => write_perfetto(run, &mut out),
    }
}

/// Prints a line. A reader that has gone, as `head` does, is no error.
fn say(text: &str) -> Result<(), String> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
