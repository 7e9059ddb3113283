//! A frame: what a pool has done between two looks at it.

use std::time::{Duration, Instant};

use longshore::{AnyPool, Histogram, PoolStats, WorkerState, WorkerStats};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

/// Lines besides those of the workers.
const HEAD: u16 = 5;
const FRAME: u16 = 3;

/// Characters of a worker's bar.
const BAR: usize = 24;

/// A look at a pool.
#[derive(Debug)]
pub struct Sample {
    taken: Instant,
    stats: PoolStats,
    is_paused: bool,
}

impl Sample {
    /// Looks now.
    pub fn of(pool: &impl AnyPool) -> Self {
        Sample { taken: Instant::now(), stats: pool.stats(), is_paused: pool.is_paused() }
    }
}

/// What has happened from one look to another.
#[derive(Debug)]
pub struct View<'a> {
    before: &'a Sample,
    now: &'a Sample,
    seconds: f64,
}

impl<'a> View<'a> {
    /// From `before` to `now`.
    pub fn new(before: &'a Sample, now: &'a Sample) -> Self {
        // Never zero, to divide by.
        let seconds = now.taken.duration_since(before.taken).as_secs_f64().max(1e-6);
        View { before, now, seconds }
    }

    /// The lines that a pool of so many workers needs.
    pub fn height(workers: usize) -> u16 {
        u16::try_from(workers).unwrap_or(u16::MAX).saturating_add(HEAD + FRAME)
    }

    /// Draws it.
    pub fn render(&self, frame: &mut Frame<'_>) {
        let [head, table] =
            Layout::vertical([Constraint::Length(HEAD), Constraint::Min(FRAME)]).areas(frame.area());
        frame.render_widget(self.head(), head);
        frame.render_widget(self.table(), table);
    }

    fn head(&self) -> Paragraph<'static> {
        let stats = &self.now.stats;
        let ended = |stats: &PoolStats| stats.workers.iter().map(|worker| worker.executed).sum::<u64>();
        let rate = self.rate(ended(&self.before.stats), ended(stats));
        let state = if self.now.is_paused { " PAUSED" } else { "" };
        Paragraph::new(vec![
            Line::from(vec![
                Span::from(format!(" longshore: pool {}, {} workers", stats.name, stats.workers.len()))
                    .bold(),
                Span::from(state).fg(Color::Yellow),
            ]),
            Line::from(format!(
                " tasks: {} waiting, {} running, {} ended, {rate} a second",
                stats.waiting,
                stats.running,
                ended(stats),
            )),
            times(" waits", &stats.waits()),
            times(" runs ", &stats.runs()),
        ])
    }

    fn table(&self) -> Table<'static> {
        let before = &self.before.stats.workers;
        let rows = self.now.stats.workers.iter().map(|worker| {
            // One that has come since is compared with itself.
            let earlier = before.iter().find(|other| other.index == worker.index).unwrap_or(worker);
            self.row(earlier, worker)
        });
        let widths = [6, 8, 8, 10, 10, 9, 8].map(Constraint::Length);
        let header = ["worker", "state", "queued", "tasks/s", "steals/s", "parks/s", "busy", ""];
        Table::new(rows, widths.into_iter().chain([Constraint::Min(BAR as u16)]))
            .header(Row::new(header).style(Style::new().bold()))
            .block(Block::bordered())
    }

    fn row(&self, before: &WorkerStats, now: &WorkerStats) -> Row<'static> {
        let busy = now.time_busy.saturating_sub(before.time_busy).as_secs_f64() / self.seconds;
        let busy = busy.clamp(0.0, 1.0);
        let (state, color) = match now.state {
            WorkerState::Busy => ("busy", Color::Green),
            WorkerState::Parked => ("parked", Color::DarkGray),
            _ => ("gone", Color::Red),
        };
        let bar = "#".repeat((busy * BAR as f64).round() as usize);
        Row::new([
            Cell::from(now.index.to_string()),
            Cell::from(state).style(Style::new().fg(color)),
            Cell::from(now.queue_depth.to_string()),
            Cell::from(self.rate(before.executed, now.executed)),
            Cell::from(self.rate(before.stolen, now.stolen)),
            Cell::from(self.rate(before.parked, now.parked)),
            Cell::from(format!("{:.0} %", busy * 100.0)),
            Cell::from(bar).style(Style::new().fg(color)),
        ])
    }

    /// So many a second.
    fn rate(&self, before: u64, now: u64) -> String {
        format!("{:.0}", now.saturating_sub(before) as f64 / self.seconds)
    }
}

fn times(name: &str, times: &Histogram) -> Line<'static> {
    let at = |percent| short(times.percentile(percent));
    Line::from(format!(
        "{name}: half within {}, 99 % within {}, all within {}",
        at(50.0),
        at(99.0),
        at(100.0)
    ))
}

fn short(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1?}"))
}

#[cfg(test)]
mod tests {
    use longshore::Pool;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn a_frame_has_a_line_for_each_worker() {
        let pool = Pool::builder().workers(3).thread_name("framed").build().expect("starts");
        let before = Sample::of(&pool);
        pool.submit(|| ()).expect("open").join().expect("ran");
        pool.pause();
        let now = Sample::of(&pool);
        let mut terminal = Terminal::new(TestBackend::new(100, View::height(3))).expect("in memory");
        terminal.draw(|frame| View::new(&before, &now).render(frame)).expect("in memory");
        let cells = terminal.backend().buffer().content().iter();
        let text: String = cells.map(ratatui::buffer::Cell::symbol).collect();
        for part in ["framed", "3 workers", "PAUSED", "1 ended", "steals/s", "│2 ", "waits: half within -"]
        {
            assert!(text.contains(part), "{part:?} is missing: {text}");
        }
    }
}
