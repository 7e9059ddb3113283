//! The plots: for a sweep its lines, for another row a dot and a range for each competitor.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::{Entry, direction};
use longshore_rivals::pools::is_ours;

use crate::record::MetricRecord;
use crate::stats::{Line, Summary, figure, lines};

/// Width of every plot, in points.
const WIDTH: u32 = 760;

/// Height of a sweep's plot.
const HEIGHT: u32 = 420;

/// Height of a competitor's line, and of all else.
const STEP: u32 = 22;
const FRAME: u32 = 80;

/// From the least to the most, beyond which an axis is logarithmic.
const DECADES: f64 = 20.0;

/// A competitor and its points.
type Curve = (String, Vec<(f64, f64)>);

/// Where a plot goes, and what it says.
struct Sheet<'a> {
    path: &'a Path,
    title: &'a str,
    axis: String,
}

/// The plots that the page shows: sweeps and rows by their names.
const SHOWN: [&str; 6] = ["producers", "workers", "length", "results", "round-trip", "fib"];

/// A plot, as the page needs it.
#[derive(Debug)]
pub struct Drawn {
    /// The name of its file, without the ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What it does not show.
    pub not_shown: String,
}

/// Draws the plots; one whose rows were not measured is left out.
pub fn draw(entries: &[Entry<'_>], folder: &Path) -> Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    for name in SHOWN {
        let path = folder.join(format!("{name}.svg"));
        let is_of = |entry: &&Entry<'_>| entry.row.sweep.as_ref().is_some_and(|sweep| sweep.name == name);
        let sweep: Vec<&Entry<'_>> = entries.iter().filter(is_of).collect();
        let row = entries.iter().find(|entry| entry.row.id == name);
        let (title, row) = if let Some(first) = sweep.first() {
            let Some(title) = curves(&sweep, &path)? else { continue };
            (title, first.row)
        } else if let Some(entry) = row
            && let Some(metric) = entry.row.metrics.first()
        {
            dots(entry, metric, &path)?;
            (entry.row.title.clone(), entry.row)
        } else {
            continue;
        };
        drawn.push(Drawn { name, title, not_shown: row.not_shown.clone() });
    }
    Ok(drawn)
}

/// The lines of a table that have a figure.
fn figures(entry: &Entry<'_>, metric: &MetricRecord) -> Vec<(String, Summary)> {
    let figure = |line: Line| line.summary.map(|summary| (line.name, summary));
    lines(entry.row, &metric.key, entry.row.base_or(&entry.record.base))
        .into_iter()
        .filter_map(figure)
        .collect()
}

/// A little more than from the least to the most.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(v), most.max(v)));
    (least * 0.85, most * 1.18)
}

fn dots(entry: &Entry<'_>, metric: &MetricRecord, path: &Path) -> Result<()> {
    let figures = figures(entry, metric);
    let axis = format!("{}, {}", metric.unit, direction(metric.better));
    let sheet = Sheet { path, title: &entry.row.title, axis };
    let (least, most) = range(figures.iter().flat_map(|(_, summary)| [summary.min, summary.max]));
    if figures.is_empty() {
        dots_on(&sheet, &figures, 0.0..1.0)
    } else if least > 0.0 && most / least > DECADES {
        dots_on(&sheet, &figures, (least..most).log_scale())
    } else {
        dots_on(&sheet, &figures, 0.0..most.max(1e-3))
    }
}

fn dots_on<X, R>(sheet: &Sheet<'_>, figures: &[(String, Summary)], x: X) -> Result<()>
where
    X: AsRangedCoord<CoordDescType = R, Value = f64>,
    R: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let count = figures.len().max(1);
    let root = SVGBackend::new(sheet.path, (WIDTH, FRAME + STEP * count as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(sheet.title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(38)
        .y_label_area_size(130)
        // The first competitor is at the top.
        .build_cartesian_2d(x, (0..count as i32).into_segmented())?;
    let name = |value: &SegmentValue<i32>| match value {
        SegmentValue::CenterOf(index) | SegmentValue::Exact(index) => {
            let place = count.checked_sub(1 + *index as usize);
            place.and_then(|place| figures.get(place)).map_or(String::new(), |(name, _)| name.clone())
        }
        SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(count)
        .y_label_formatter(&name)
        .x_label_formatter(&|value| figure(*value))
        .x_desc(&sheet.axis)
        .draw()?;
    for (place, (name, summary)) in figures.iter().enumerate() {
        let y = SegmentValue::CenterOf((count - 1 - place) as i32);
        let style = color(name).stroke_width(2);
        chart.draw_series([PathElement::new(
            vec![(summary.min, y.clone()), (summary.max, y.clone())],
            style,
        )])?;
        chart.draw_series([Circle::new((summary.median, y), 4, color(name).filled())])?;
    }
    root.present().map_err(|error| anyhow!("cannot write a plot: {error}"))
}

/// Draws a sweep and returns its title; draws nothing if a figure is not above zero, as the axes are
/// logarithmic.
fn curves(rows: &[&Entry<'_>], path: &Path) -> Result<Option<String>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let (Some(sweep), Some(metric)) = (&first.row.sweep, first.row.metrics.first()) else { return Ok(None) };
    // By competitor, in the order of the tables: numbers and figures.
    let mut lines: Vec<Curve> = Vec::new();
    for entry in rows {
        let Some(at) = entry.row.sweep.as_ref().map(|sweep| sweep.at) else { continue };
        for (name, summary) in figures(entry, metric) {
            match lines.iter_mut().find(|line| line.0 == name) {
                Some(line) => line.1.push((at, summary.median)),
                None => lines.push((name, vec![(at, summary.median)])),
            }
        }
    }
    for line in &mut lines {
        line.1.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let points = || lines.iter().flat_map(|line| &line.1);
    let (left, right) = range(points().map(|point| point.0));
    let (low, high) = range(points().map(|point| point.1));
    if low <= 0.0 || left <= 0.0 {
        return Ok(None);
    }
    let title = format!("{}: {}, by {}", sweep.name, metric.unit, sweep.axis);
    let axis = format!("{}, {}", metric.unit, direction(metric.better));
    let sheet = Sheet { path, title: &title, axis };
    // A third more on the right, for the legend.
    let x = left..right * (right / left).cbrt();
    // Within a decade or so a logarithmic axis has too few numbers.
    if high / low < DECADES {
        curves_on(&sheet, &sweep.axis, &lines, x, 0.0..high)?;
    } else {
        curves_on(&sheet, &sweep.axis, &lines, x, (low..high).log_scale())?;
    }
    Ok(Some(title))
}

fn curves_on<Y, R>(sheet: &Sheet<'_>, sweep: &str, lines: &[Curve], x: Range<f64>, y: Y) -> Result<()>
where
    Y: AsRangedCoord<CoordDescType = R, Value = f64>,
    R: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let root = SVGBackend::new(sheet.path, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(sheet.title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(38)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), y)?;
    chart
        .configure_mesh()
        .x_label_formatter(&|value| figure(*value))
        .y_label_formatter(&|value| figure(*value))
        .x_desc(sweep)
        .y_desc(&sheet.axis)
        .draw()?;
    for (name, points) in lines {
        let line = color(name);
        let width = if is_ours(name) { 3 } else { 1 };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), line.stroke_width(width)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], line.stroke_width(2)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, line.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    root.present().map_err(|error| anyhow!("cannot write a plot: {error}"))
}

/// The same competitor has the same colour everywhere.
fn color(name: &str) -> RGBColor {
    match name {
        "none" => RGBColor(120, 120, 120),
        "side-by-side" => RGBColor(190, 190, 190),
        "push" => RGBColor(200, 30, 40),
        "push-pinned" => RGBColor(240, 120, 120),
        "push-key" => RGBColor(220, 150, 60),
        "push-home" => RGBColor(150, 60, 90),
        "push-elastic" | "push-sampled" | "push-priority" => RGBColor(250, 150, 130),
        "push-eager" | "push-grown" | "push-histograms" | "push-token" => RGBColor(140, 20, 60),
        "pull" => RGBColor(30, 80, 200),
        "pull-elastic" | "pull-sampled" | "pull-priority" => RGBColor(140, 190, 250),
        "pull-grown" | "pull-histograms" | "pull-token" => RGBColor(20, 40, 120),
        "pull-pinned" => RGBColor(120, 160, 240),
        "rayon" => RGBColor(20, 140, 60),
        "chili" => RGBColor(200, 120, 0),
        "forte" => RGBColor(120, 40, 160),
        "parkring" => RGBColor(0, 150, 160),
        "tokio" => RGBColor(140, 90, 40),
        "threadpool" => RGBColor(210, 80, 160),
        "rusty_pool" => RGBColor(180, 150, 30),
        "rusty_pool-elastic" => RGBColor(210, 190, 90),
        "affinitypool" => RGBColor(90, 110, 20),
        "executors" => RGBColor(60, 60, 100),
        "channel-bounded" => RGBColor(90, 180, 100),
        "channel-unbounded" => RGBColor(150, 200, 60),
        "channel-mutex" => RGBColor(70, 200, 200),
        _ => BLACK,
    }
}
