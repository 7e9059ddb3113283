//! A browser with one page, and the protocol to drive it: JSON with a zero byte after each message, through
//! two pipes. (Chrome DevTools Protocol, `--remote-debugging-pipe`.)

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// Where Chromium is; `None`, with a notice, if it is nowhere.
pub fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        println!("notice: there is no chromium, the test of the page is skipped");
    }
    found
}

/// A browser with a page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    out: File,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    /// Everything that the page or the browser has reported.
    pub events: Vec<Value>,
    folder: TempDir,
}

impl Browser {
    /// Starts it. `None` without Chromium.
    pub fn start(width: u32, height: u32) -> Option<Browser> {
        let chromium = chromium()?;
        let folder = tempfile::tempdir().expect("a folder");
        let pipes = [folder.path().join("in"), folder.path().join("out")];
        let made = Command::new("mkfifo").args(&pipes).status().expect("mkfifo is there");
        assert!(made.success());
        let child = Command::new("sh")
            .arg("-c")
            .arg(r#"in=$1; out=$2; shift 2; exec "$@" 3<"$in" 4>"$out""#)
            .arg("sh")
            .args(&pipes)
            .arg(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--mute-audio",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe", "--hide-scrollbars"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let out = OpenOptions::new().write(true).open(&pipes[0]).expect("the browser reads");
        let messages = listen(File::open(&pipes[1]).expect("the browser writes"));
        let mut browser =
            Browser { child, out, messages, next: 0, session: None, events: Vec::new(), folder };
        let targets = browser.call("Target.getTargets", json!({}));
        let infos = targets["targetInfos"].as_array().expect("a list").clone();
        let page = infos.iter().find(|info| info["type"] == "page").expect("a page");
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", size);
        Some(browser)
    }

    /// Calls a method and waits for its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).expect("JSON");
        bytes.push(0);
        self.out.write_all(&bytes).expect("the browser reads");
        let id = self.next;
        let answer = self.wait_for(|message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let left = DEADLINE.checked_sub(begun.elapsed()).expect("the browser answers in time");
            let message = self.messages.recv_timeout(left).expect("the browser answers in time");
            let is_it = wanted(&message);
            if message["method"].is_string() {
                self.events.push(message.clone());
            }
            if is_it {
                return message;
            }
        }
    }

    /// Opens a file and waits until the page has been shown.
    pub fn open(&mut self, path: &Path) {
        self.call("Page.navigate", json!({"url": format!("file://{}", path.display())}));
        let begun = Instant::now();
        while self.eval("document.readyState === 'complete' && !!window.longshore") != Value::Bool(true) {
            assert!(begun.elapsed() < DEADLINE, "the page does not start: {:?}", self.problems());
        }
    }

    /// What an expression is, as JSON.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// A number that an expression is.
    pub fn number(&mut self, expression: &str) -> f64 {
        self.eval(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    /// Moves the mouse, presses or turns its parts.
    pub fn mouse(&mut self, what: &str, x: f64, y: f64, more: Value) {
        let mut params = json!({"type": what, "x": x, "y": y, "button": "left", "clickCount": 1});
        if what == "mouseMoved" || what == "mouseWheel" {
            params["button"] = json!("none");
        }
        more.as_object().into_iter().flatten().for_each(|(key, value)| params[key] = value.clone());
        self.call("Input.dispatchMouseEvent", params);
    }

    pub fn click(&mut self, x: f64, y: f64) {
        self.mouse("mousePressed", x, y, json!({}));
        self.mouse("mouseReleased", x, y, json!({}));
    }

    /// Presses a key.
    pub fn key(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        self.call("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": text}));
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.eval(expression) != Value::Bool(true) {
            assert!(begun.elapsed() < DEADLINE, "never true: {expression}");
        }
    }

    /// Everything that went wrong: errors on the console, exceptions, requests that are not for the page
    /// itself.
    pub fn problems(&self) -> Vec<String> {
        let problem = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "warning" => {
                    Some(params["args"].to_string())
                }
                "Log.entryAdded" if params["entry"]["level"] == "error" => Some(params["entry"].to_string()),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str()?;
                    let is_page =
                        url.starts_with("file://") && url.ends_with(".html") || url.starts_with("data:,");
                    (!is_page).then(|| format!("request for {url}"))
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(problem).collect()
    }

    /// Keeps a picture if `PAGE_PICTURES` says where.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("PAGE_PICTURES") else { return };
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = decode(shot["data"].as_str().expect("base64"));
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).expect("the folder is there");
    }

    /// Writes a page where the browser finds it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("the folder is there");
        path
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn listen(pipe: File) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
            bytes.pop();
            let Ok(message) = serde_json::from_slice(&bytes) else { return };
            if sender.send(message).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    receiver
}

fn decode(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for part in text.trim_end_matches('=').as_bytes().chunks(4) {
        let word = part.iter().fold(0u32, |word, byte| word << 6 | u32::from(digit(*byte)))
            << (6 * (4 - part.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..part.len()]);
    }
    bytes
}
