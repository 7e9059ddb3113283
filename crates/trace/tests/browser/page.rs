//! What the page shows is what the recording says, and it does what users do with it.

use std::rc::Rc;

use longshore_trace::analysis::{Analysis, CLASSES, part, part_window};
use longshore_trace::export::{write_page, write_page_at};
use longshore_trace::run::{Cpu, Outcome, Run};
use serde_json::json;

use crate::cdp::Browser;
use crate::support::{Costs, Pool, Script, fib, half_serial, leaf, read, run};

fn page(run: &Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_page(run, &Analysis::new(run), &mut bytes).expect("memory");
    bytes
}

fn show(browser: &mut Browser, run: &Run) {
    let path = browser.file("run.html", &page(run));
    browser.open(&path);
}

/// The page's sums are those of the analysis, and all tasks are drawn.
fn agrees(browser: &mut Browser, run: &Run, unit: f64) {
    let analysis = Analysis::new(run);
    browser.eval("longshore.setWindow(0, longshore.meta.duration); longshore.draw()");
    assert_eq!(browser.number("longshore.view.drawn"), run.tasks.len() as f64);
    let stats = "(() => { const [a, b] = longshore.meta.window; return longshore.windowStats(a, b); })()";
    for (i, class) in CLASSES.into_iter().enumerate() {
        let shown = browser.number(&format!("{stats}.total[{i}]"));
        let right = analysis.total.get(class) as f64;
        let tolerance = 1e-6 * analysis.total.sum() as f64 + unit * run.tasks.len() as f64;
        assert!((shown - right).abs() <= tolerance, "{}: {shown} instead of {right}", class.name());
    }
    let begun = browser.number(&format!("{stats}.tasks.reduce((a, b) => a + b, 0)"));
    // A task that begins at the very end of the window is not in it.
    assert!((begun - analysis.tasks as f64).abs() <= 1.0, "{begun} instead of {}", analysis.tasks);
    let work = browser.number(&format!("{stats}.time.reduce((a, b) => a + b, 0)"));
    assert!((work - analysis.span.work as f64).abs() <= 1.0 + unit * run.tasks.len() as f64);
}

fn fine(browser: &Browser) {
    assert!(browser.problems().is_empty(), "{:#?}", browser.problems());
}

#[test]
fn the_page_agrees_with_the_analysis_at_one_and_at_64_workers() {
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    for workers in [1, 4, 64] {
        let run = run(&fib(12, 4_000), workers);
        show(&mut browser, &run);
        agrees(&mut browser, &run, 1.0);
        browser.eval("longshore.wholeRun()");
        browser.until("longshore.view.stats.to > 0");
        browser.picture(&format!("fib-{workers}"));
    }
    fine(&browser);
}

/// Discarding a task is the pool's own work, and what the kernel takes may have been any work of the thread.
#[test]
fn discarded_tasks_and_lost_processor_time_are_classed_as_in_the_report() {
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    let mut run = run(&fib(12, 4_000), 4);
    run.tasks.iter_mut().step_by(3).for_each(|task| task.outcome = Outcome::Unstarted);
    let (begin, end) = run.window();
    for (share, track) in run.tracks.iter_mut().enumerate() {
        let used = (end - begin) / 4 * share as u64;
        track.cpu = vec![Cpu { begin, end, used, voluntary: 0, involuntary: 1 }];
    }
    show(&mut browser, &run);
    agrees(&mut browser, &run, 1.0);
    fine(&browser);
}

/// The recording of a program that has really run, such as `resize --trace run.lsr`, is named by
/// `LONGSHORE_RECORDING`. The gate names one; without the variable there is nothing to show.
#[test]
fn the_page_of_a_recorded_program_agrees_with_the_statistics_of_its_pool() {
    let Some(path) = std::env::var_os("LONGSHORE_RECORDING") else {
        return println!("notice: LONGSHORE_RECORDING names no recording, skipped");
    };
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    let run = read(&std::fs::read(path).expect("a recording"));
    show(&mut browser, &run);
    agrees(&mut browser, &run, 1.0);
    let counted: usize = run.stats.get("ended").expect("the pool says it").parse().expect("a number");
    assert_eq!(run.tasks.iter().filter(|task| task.has_run() && !task.is_fork()).count(), counted);
    browser.picture("recorded");
    fine(&browser);
}

#[test]
fn a_page_of_a_part_shows_that_first() {
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    let run = run(&half_serial(300, 20_000), 4);
    let window = part_window(&run, Some(1_000_000), Some(2_500_000)).expect("it is within");
    let mut bytes = Vec::new();
    write_page_at(&run, &Analysis::new(&run), Some(window), &mut bytes).expect("memory");
    let path = browser.file("part.html", &bytes);
    browser.open(&path);
    browser.until("longshore.view.stats.to > 0");
    let shown = ["longshore.view.from", "longshore.view.to"].map(|side| browser.number(side) as u64);
    assert_eq!(shown, [window.0, window.1]);
    // Its statistics are those of the report of the part.
    let part = Analysis::of_part(&run, &part(&run, window));
    for (i, class) in CLASSES.into_iter().enumerate() {
        let found = browser.number(&format!("longshore.view.stats.total[{i}]"));
        let right = part.total.get(class) as f64;
        assert!((found - right).abs() <= 1_000.0, "{}: {found} instead of {right}", class.name());
    }
    browser.eval("longshore.wholeRun()");
    assert!(browser.number("longshore.view.to - longshore.view.from") > 5e6);
    fine(&browser);
}

#[test]
fn clicks_zooms_and_keys_do_what_they_should() {
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    let run = run(&half_serial(300, 20_000), 4);
    show(&mut browser, &run);
    browser.eval("longshore.wholeRun(); longshore.draw()");
    let whole = browser.number("longshore.view.to - longshore.view.from");
    // The place of the long task on the screen.
    let place = "(() => { const i = longshore.tasks.own.indexOf(Math.max(...longshore.tasks.own)); \
        const row = longshore.tracks[longshore.tasks.track[i]].row, box = document.getElementById('tracks').getBoundingClientRect(); \
        return [box.left + box.width * 0.6, box.top + row.y + row.height / 2, i]; })()";
    let place = browser.eval(place);
    let [x, y, task] = [0, 1, 2].map(|i| place[i].as_f64().expect("a number"));

    browser.mouse("mouseMoved", x, y, json!({}));
    browser.until("!document.getElementById('tip').hidden");
    let tip = browser.eval("document.getElementById('tip').textContent").to_string();
    assert!(tip.contains("serial") && tip.contains("submitted by") && tip.contains("loop"), "{tip}");

    browser.click(x, y);
    assert_eq!(browser.number("longshore.view.selected"), task);
    browser.picture("selected");
    browser.key("p");
    let parent = browser.eval("longshore.meta.labels[longshore.tasks.label[longshore.view.selected]]");
    assert_eq!(parent, json!("loop"));
    assert_eq!(browser.number("longshore.view.children.length"), 301.0);
    browser.key("Escape");
    assert_eq!(browser.number("longshore.view.selected"), -1.0);

    browser.mouse("mouseWheel", x, y, json!({"deltaX": 0, "deltaY": -800}));
    browser.until(&format!("longshore.view.to - longshore.view.from < {whole} / 2"));
    let zoomed = browser.number("longshore.view.to - longshore.view.from");
    browser.until("longshore.view.stats.to === longshore.view.to");
    let shown = browser.number("longshore.view.stats.total.reduce((a, b) => a + b, 0)");
    assert!(
        (shown - 4.0 * zoomed).abs() < 0.01 * shown,
        "the statistics follow the window: {shown} of 4 x {zoomed}"
    );
    let from = browser.number("longshore.view.from");
    browser.key("ArrowRight");
    assert!(browser.number("longshore.view.from") > from);
    browser.mouse("mousePressed", x, y, json!({}));
    browser.mouse("mouseMoved", x + 200.0, y, json!({}));
    browser.mouse("mouseReleased", x + 200.0, y, json!({}));
    assert!(
        browser.number("longshore.view.from") < from + zoomed * 0.2,
        "dragging to the right goes back in time"
    );
    browser.key("0");
    assert_eq!(browser.number("longshore.view.to - longshore.view.from"), whole);

    search(&mut browser);
    let before = browser.eval("document.documentElement.dataset.theme");
    browser.key("t");
    assert_ne!(browser.eval("document.documentElement.dataset.theme"), before);
    browser.until("longshore.view.pictureTime > 0");
    browser.picture("other-theme");
    assert!(browser.number("document.querySelectorAll('#flags li').length") >= 1.0);
    fine(&browser);
}

/// Searches a label, and gives it up.
fn search(browser: &mut Browser) {
    browser.key("/");
    for letter in "body".chars() {
        browser.key(&letter.to_string());
    }
    assert_eq!(browser.eval("document.getElementById('found').textContent"), json!("300 tasks"));
    browser.picture("search");
    browser.key("Escape");
    assert_eq!(browser.eval("longshore.view.match"), json!(null));
}

/// A million; a tenth of that where nothing is optimised, to save time.
const MANY: usize = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

/// Many tasks of four labels.
fn many() -> Vec<Rc<Script>> {
    let leaves = [("decode", 3_000), ("resize", 9_000), ("encode", 5_000), ("", 700)]
        .map(|(label, time)| leaf(label, time));
    (0..MANY).map(|i| leaves[i * i % 7 % 4].clone()).collect()
}

/// Thirty steps into the run, each with its picture and its statistics: the median and the longest time.
const ZOOM: &str = "(() => {
    const times = [], { view } = longshore;
    longshore.wholeRun();
    for (let i = 0; i < 30; i++) {
        const middle = longshore.meta.duration * 0.37, half = (view.to - view.from) * 0.35;
        longshore.setWindow(middle - half, middle + half);
        const begun = performance.now();
        longshore.draw();
        longshore.windowStats(view.from, view.to);
        times.push(performance.now() - begun);
    }
    times.sort((a, b) => a - b);
    return [times[15], times[29]];
})()";

#[test]
fn a_million_tasks_are_shown_at_once() {
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    for workers in [64, 1] {
        let costs = Costs { ring_bytes: 1 << 29, ..Costs::default() };
        let run = read(&Pool::new(workers, costs).run_all(&many()));
        assert_eq!(run.tasks.len(), MANY);
        let bytes = page(&run);
        assert!(
            bytes.len() <= 15 * run.tasks.len(),
            "{} bytes a task",
            bytes.len() as f64 / run.tasks.len() as f64
        );
        let path = browser.file("million.html", &bytes);
        drop(bytes);
        // Processor time, which says something on a machine that does other things too.
        browser.call("Performance.enable", json!({"timeDomain": "threadTicks"}));
        browser.open(&path);
        let metrics = browser.call("Performance.getMetrics", json!({}));
        let spent = metrics["metrics"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|metric| metric["name"] == "TaskDuration");
        let spent = spent.and_then(|metric| metric["value"].as_f64()).unwrap_or(0.0) * 1_000.0;
        browser.call("Performance.disable", json!({}));
        let first = browser.number("longshore.firstPicture");
        let unit = browser.number("longshore.meta.unit");
        agrees(&mut browser, &run, unit);
        let steps = browser.eval(ZOOM);
        let [median, longest] = [0, 1].map(|i| steps[i].as_f64().expect("a number"));
        println!("{}", browser.eval("JSON.stringify(longshore.timing)"));
        println!(
            "{workers} workers: first picture {first:.0} ms ({spent:.0} ms of processor time), a zoom step {median:.1} ms (median), {longest:.1} ms (longest)"
        );
        // An order of magnitude above what a quiet machine takes.
        assert!(first < 5_000.0 && median < 500.0, "{first} ms, {median} ms");
        browser.eval("longshore.wholeRun()");
        browser.until("longshore.view.stats.to === longshore.view.to");
        browser.picture(&format!("million-{workers}"));
    }
    fine(&browser);
}
