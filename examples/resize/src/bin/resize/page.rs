//! The page of `--report`: every picture before and after, in one file that needs no network.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use longshore_cli::name;
use longshore_cli::output::{self, Durability, Staged};
use longshore_resize::Done;

use crate::outcome::{Batch, Outcome, Status};
use crate::plan;

/// All that the page looks like.
const STYLE: &str = include_str!("page.css");

/// Makes sure that the page can be written, before any work is done for it.
///
/// # Errors
/// What stands in its way.
pub fn check(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    plan::check_directory(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes the page, as a whole or not at all. Its directory is created.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, batch: &Batch, results: &Path) -> io::Result<()> {
    let directory = directory_of(path);
    fs::create_dir_all(directory)?;
    // What a run has left that was killed while it wrote its page.
    let _ = output::sweep(directory);
    let mut staged = Staged::begin(path)?;
    staged.write_all(page(batch, results).as_bytes())?;
    staged.commit(Durability::Later)
}

fn page(batch: &Batch, output: &Path) -> String {
    let totals = batch.totals();
    let mut html = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    let _ = write!(
        html,
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>{} images</title>\n\
         <style>\n{STYLE}</style></head>\n\
         <body><h1>{} resized, {} up to date, {} failed</h1>\n\
         <p>{:.2} s, {:.1} images a second; {} in, {} out. Results in <code>{}</code>.</p>\n",
        totals.files,
        totals.resized,
        totals.skipped,
        totals.failed,
        batch.elapsed.as_secs_f64(),
        batch.images_per_second(),
        bytes(totals.bytes_in),
        bytes(totals.bytes_out),
        escaped(&name::shown(output).to_string()),
    );
    // Those that need a look come first.
    let (failed, others): (Vec<_>, Vec<_>) =
        batch.files.iter().partition(|file| matches!(file.status, Status::Failed { .. }));
    for (title, files) in [("Failed", failed), ("Files", others)] {
        if !files.is_empty() {
            let _ = write!(html, "<h2>{title}</h2>\n<div class=\"sheet\">\n");
            files.iter().for_each(|file| html.push_str(&card(file)));
            html.push_str("</div>\n");
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn card(file: &Outcome) -> String {
    let source = escaped(&name::shown(&file.source).to_string());
    let mut html = format!(
        "<figure><div class=\"pair\">{}{}</div>",
        picture(file.preview.before.as_deref(), "before"),
        picture(file.preview.after.as_deref(), "after")
    );
    let _ = write!(html, "<figcaption><b>{source}</b>");
    match &file.status {
        Status::Resized(done) => html.push_str(&facts(done, file.seconds)),
        Status::Failed { error, .. } => _ = write!(html, "<br><span class=\"bad\">{}</span>", escaped(error)),
        Status::Skipped => html.push_str("<br>up to date"),
        Status::Planned { .. } => html.push_str("<br>planned"),
        Status::Cancelled => html.push_str("<br>not done"),
        Status::Expired => html.push_str("<br>not started in time"),
    }
    html.push_str("</figcaption></figure>\n");
    html
}

fn facts(done: &Done, seconds: Option<f64>) -> String {
    let Done { from, to, bytes_in, bytes_out, kept, warnings } = done;
    let mut html = format!(
        "<br>{}x{} &rarr; {}x{}<br>{} &rarr; {}",
        from.0,
        from.1,
        to.0,
        to.1,
        bytes(*bytes_in),
        bytes(*bytes_out)
    );
    if let Some(seconds) = seconds {
        let _ = write!(html, "<br>{:.0} ms", seconds * 1000.0);
    }
    if *kept {
        html.push_str("<br>kept as it was encoded");
    }
    for warning in warnings {
        let _ = write!(html, "<br><span class=\"odd\">{}</span>", escaped(warning));
    }
    html
}

fn picture(jpeg: Option<&[u8]>, what: &str) -> String {
    match jpeg {
        Some(jpeg) => format!(
            "<img loading=\"lazy\" alt=\"{what}\" title=\"{what}\" src=\"data:image/jpeg;base64,{}\">",
            BASE64_STANDARD.encode(jpeg)
        ),
        None => String::new(),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
