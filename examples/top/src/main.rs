//! Watches a pool at work, as `top` watches a machine: `cargo run --release -p longshore-top -- --help`.
//!
//! The work is made up: bursts of short tasks, a few long ones, trees of tasks, tasks by key, and pauses.
//! Keys: space pauses the pool, `q` ends.

mod demo;
mod view;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use longshore::{AnyPool, Histograms, Pool, PullPool};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use demo::Demo;
use view::{Sample, View};

/// Columns of a frame that is printed as text.
const WIDTH: u16 = 100;

/// Watches a pool at work.
#[derive(Debug, Parser)]
struct Cli {
    /// Workers of the pool [default: as many as the process may use cores].
    #[arg(long)]
    workers: Option<usize>,
    /// The kind of pool.
    #[arg(long, value_enum, default_value_t = Model::Push)]
    model: Model,
    /// Milliseconds between two frames.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    interval: u64,
    /// Prints so many frames as text, and ends.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    frames: Option<u32>,
    /// As `--frames 1`.
    #[arg(long, conflicts_with = "frames")]
    once: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Model {
    /// A queue for each worker, and thieves.
    Push,
    /// One queue for all.
    Pull,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.model {
        Model::Push => watch::<Pool>(&cli),
        Model::Pull => watch::<PullPool>(&cli),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("top: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn watch<P: AnyPool>(cli: &Cli) -> Result<()> {
    let mut builder = P::builder().thread_name("top").histograms(Histograms::Sampled);
    if let Some(workers) = cli.workers {
        builder = builder.workers(workers);
    }
    let pool = std::sync::Arc::new(builder.build()?);
    let frames = cli.frames.or(cli.once.then_some(1));
    let interval = Duration::from_millis(cli.interval);
    if frames.is_none() && !io::stdout().is_terminal() {
        bail!("standard output is not a terminal; `--once` or `--frames N` print text");
    }
    let demo = Demo::start(&pool);
    let result = match frames {
        Some(frames) => print(&*pool, frames, interval),
        None => draw(&*pool, interval),
    };
    demo.stop();
    pool.shutdown_now().context("the pool does not end")?;
    result
}

/// Draws frames without a terminal, and prints them.
fn print(pool: &impl AnyPool, frames: u32, interval: Duration) -> Result<()> {
    let height = View::height(pool.workers());
    let mut terminal = Terminal::new(TestBackend::new(WIDTH, height))?;
    let mut before = Sample::of(pool);
    // No thread ever sends: the end of the wait is the next frame.
    let (_sender, clock) = mpsc::channel::<()>();
    for _ in 0..frames {
        if clock.recv_timeout(interval) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        let now = Sample::of(pool);
        let view = View::new(&before, &now);
        terminal.draw(|frame| view.render(frame))?;
        println!("{}", text_of(terminal.backend()));
        before = now;
    }
    Ok(())
}

fn text_of(backend: &TestBackend) -> String {
    let buffer = backend.buffer();
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    let lines = rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Draws on the terminal until a key ends it.
fn draw(pool: &impl AnyPool, interval: Duration) -> Result<()> {
    let mut terminal = ratatui::try_init().context("cannot draw on this terminal")?;
    let result = draw_on(&mut terminal, pool, interval);
    ratatui::restore();
    result
}

fn draw_on(terminal: &mut ratatui::DefaultTerminal, pool: &impl AnyPool, interval: Duration) -> Result<()> {
    let mut before = Sample::of(pool);
    loop {
        let next = Instant::now() + interval;
        while event::poll(next.saturating_duration_since(Instant::now()))? {
            let Event::Key(key) = event::read()? else { continue };
            let interrupted = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            match key.code {
                _ if key.kind != KeyEventKind::Press => {}
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char('c') if interrupted => return Ok(()),
                KeyCode::Char(' ') if pool.is_paused() => pool.resume(),
                KeyCode::Char(' ') => _ = pool.pause(),
                _ => {}
            }
        }
        let now = Sample::of(pool);
        let view = View::new(&before, &now);
        terminal.draw(|frame| view.render(frame))?;
        before = now;
    }
}
