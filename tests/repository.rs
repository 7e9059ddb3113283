//! Rules of the repository that a compiler does not check: layers, sizes, heads of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The largest file, in lines of code (without comments, blank lines and unit tests).
const MOST_LINES: usize = 400;

/// The largest function, in lines of code (without comments and blank lines).
const MOST_LINES_OF_A_FUNCTION: usize = 60;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The folders of `src`, from the lowest to the highest, and the folders that each may import from.
///
/// `push` and `pull` are two kinds of the same thing and do not know each other; `api` may use everything.
const LAYERS: [(&str, &[&str]); 13] = [
    ("base", &[]),
    ("sync", &["base"]),
    ("sys", &["base"]),
    ("policy", &["base"]),
    ("workers", &["base"]),
    ("limits", &["sync", "base"]),
    ("task", &["limits", "sync", "base"]),
    ("queue", &["task", "sync", "base"]),
    ("runtime", &["queue", "task", "limits", "workers", "policy", "sync", "sys", "base"]),
    ("submit", &["runtime", "queue", "task", "limits", "workers", "policy", "sync", "sys", "base"]),
    ("push", &["runtime", "queue", "task", "limits", "workers", "policy", "sync", "sys", "base"]),
    ("pull", &["runtime", "queue", "task", "limits", "workers", "policy", "sync", "sys", "base"]),
    (
        "api",
        &[
            "submit", "push", "pull", "runtime", "queue", "task", "limits", "workers", "policy", "sync",
            "sys", "base",
        ],
    ),
];

/// The modules of `src` by their path below the crate root (`push::worker::fork`), with the code of each: no
/// comments, no unit tests.
fn modules() -> BTreeMap<String, String> {
    let module = |path: &Path| {
        let inside = path.strip_prefix(src()).expect("below src").with_extension("");
        let name =
            inside.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("::");
        name.strip_suffix("::mod").unwrap_or(&name).to_owned()
    };
    let code = |path: &Path| {
        let text = fs::read_to_string(path).expect("UTF-8");
        let ends = ["\n#[cfg(test)]\nmod ", "\n#[cfg(all(test"].map(|tests| text.find(tests));
        let code = &text[..ends.into_iter().flatten().min().unwrap_or(text.len())];
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    sources(&src()).iter().map(|path| (module(path), code(path))).filter(|(name, _)| name != "lib").collect()
}

/// Whether `c` may be a part of a name.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The path at the beginning of `text`, up to the first character that is no part of a path.
fn path_at(text: &str) -> String {
    let end = text.find(|c: char| !is_of_name(c) && c != ':').unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
}

/// The paths that the tree of a `use` names: `a::{b, c::{d, e}}` names `a::b`, `a::c::d` and `a::c::e`.
fn paths_of_tree(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else { return vec![path_at(tree)] };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("one part at least").push(c);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths_of_tree(part)).map(|path| format!("{prefix}{path}")).collect()
}

/// The paths in `code` that may name a module: those of each `use`, and all others that begin with `crate`,
/// `self`, `super` or one of `children`.
fn paths_in(code: &str, children: &[&str]) -> Vec<String> {
    let places = |text: &str, word: &str| -> Vec<usize> {
        let at_word = |place: &usize| !text[..*place].ends_with(|c: char| is_of_name(c) || c == ':');
        text.match_indices(word).map(|(place, _)| place).filter(at_word).collect()
    };
    let (mut paths, mut rest, mut done) = (Vec::new(), String::new(), 0);
    for place in places(code, "use ") {
        let tree = code[place + "use ".len()..].split(';').next().expect("a tree");
        paths.extend(paths_of_tree(tree));
        rest.push_str(&code[done.min(place)..place]);
        done = place + "use ".len() + tree.len();
    }
    rest.push_str(&code[done..]);
    for start in ["crate", "self", "super"].iter().chain(children) {
        let found = places(&rest, &format!("{start}::"));
        paths.extend(found.into_iter().map(|place| path_at(&rest[place..])));
    }
    paths
}

/// The path from the crate root of a path that module `from` uses.
fn absolute(from: &str, path: &str) -> String {
    let parts: Vec<_> = path.split("::").collect();
    let supers = parts.iter().take_while(|part| **part == "super").count();
    let mut base: Vec<_> = from.split("::").collect();
    let rest = match parts[0] {
        "crate" => {
            base.clear();
            &parts[1..]
        }
        "self" => &parts[1..],
        _ => {
            base.truncate(base.len().saturating_sub(supers));
            &parts[supers..]
        }
    };
    base.into_iter().chain(rest.iter().copied()).collect::<Vec<_>>().join("::")
}

/// The modules that each module imports from, by the longest path that names a module. A child that has its
/// file by a `path` attribute counts by the name of the file.
fn imports_of(modules: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let longest = |from: &str, path: &str| {
        let mut path = path;
        loop {
            if modules.contains_key(path) {
                return (path != from).then(|| path.to_owned());
            }
            path = path.rsplit_once("::")?.0;
        }
    };
    let of = |name: &String, code: &String| {
        let inside =
            modules.keys().filter_map(|module| module.strip_prefix(name.as_str())?.strip_prefix("::"));
        let mut children: Vec<_> = inside.filter(|rest| !rest.contains("::")).collect();
        let files: Vec<_> =
            code.split("path = \"").skip(1).filter_map(|text| text.split(".rs\"").next()).collect();
        let of_files = code.split(".rs\")]\nmod ").skip(1).map(path_at).collect::<Vec<_>>();
        children.extend(of_files.iter().map(String::as_str));
        let mut found = BTreeSet::new();
        for path in paths_in(code, &children) {
            let first = path.split("::").next().expect("a first part");
            let is_child = children.contains(&first);
            if !is_child && !["crate", "self", "super"].contains(&first) {
                continue; // another crate, or a name of the prelude
            }
            found.extend(longest(name, &absolute(name, &path)));
            if of_files.iter().any(|file| file == first) {
                found.extend(files.iter().filter_map(|file| longest(name, &format!("{name}::{file}"))));
            }
        }
        found
    };
    modules.iter().map(|(name, code)| (name.clone(), of(name, code))).collect()
}

/// The modules that each module of `src` imports from.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    imports_of(&modules())
}

#[test]
fn imports_are_found_in_every_form() {
    let modules = [
        ("a", "use crate::{\n    b::{self, X},\n    c,\n};"),
        ("b", "fn f() {\n    crate::a::f();\n}"),
        ("c", "use child::X;\npub use other::Y;\nuse std::{fs, io};"),
        ("c::child", "use super::{super::b::X, other};"),
        ("c::other", "fn f() -> self::X {\n    abcd::X\n}"),
        ("c::other::d", "use super::super::child as e;"),
        ("g", "#[cfg_attr(unix, path = \"linux.rs\")]\nmod os;\nuse os::X;"),
        ("g::linux", "let a = [super::A, 2];"),
    ];
    let modules: BTreeMap<_, _> = modules.map(|(name, code)| (name.to_owned(), code.to_owned())).into();
    let imports: Vec<_> = imports_of(&modules)
        .into_iter()
        .map(|(from, to)| (from, to.into_iter().collect::<Vec<_>>().join(" ")))
        .collect();
    let expected = [
        ("a", "b c"),
        ("b", "a"),
        ("c", "c::child c::other"),
        ("c::child", "b c::other"),
        ("c::other", ""),
        ("c::other::d", "c::child"),
        ("g", "g::linux"),
        ("g::linux", "g"),
    ];
    assert_eq!(imports, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    assert_eq!(rings(&imports_of(&modules)), [vec!["a", "b", "c", "c::child"], vec!["g", "g::linux"]]);
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (module, targets) in imports() {
        let layer = module.split("::").next().expect("a first part");
        let (_, allowed) = LAYERS.iter().find(|(name, _)| *name == layer).expect("the folder has a layer");
        for target in targets {
            let of_target = target.split("::").next().expect("a first part");
            if of_target != layer && !allowed.contains(&of_target) {
                wrong.push(format!("{module} imports {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up or sideways:\n{}", wrong.join("\n"));
}

/// What can be reached from `start`, `start` itself only if there is a way back to it.
fn reachable<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, start: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(module) = open.pop() {
        for target in graph.get(module).into_iter().flatten() {
            if seen.insert(target.as_str()) {
                open.push(target);
            }
        }
    }
    seen
}

/// The rings of a graph: groups of nodes of which each can be reached from each other.
fn rings(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let ways: BTreeMap<_, _> = graph.keys().map(|node| (node.as_str(), reachable(graph, node))).collect();
    let mut rings = BTreeSet::new();
    for (node, reached) in &ways {
        let ring: Vec<_> =
            reached.iter().filter(|other| ways[*other].contains(node)).map(|s| s.to_string()).collect();
        if !ring.is_empty() {
            rings.insert(ring);
        }
    }
    rings.into_iter().collect()
}

#[test]
fn no_ring_of_files_imports_itself() {
    // That the test can fail: a ring of two and a node beside it.
    let graph =
        [("a", "b"), ("b", "a"), ("c", "a")].map(|(from, to)| (from.to_owned(), [to.to_owned()].into()));
    assert_eq!(rings(&graph.into()), [["a", "b"]]);

    let graph = imports();
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 300, "the imports were not found");
    let describe = |ring: Vec<String>| {
        let arrows = |from: &String| {
            let to: Vec<_> = graph[from].iter().filter(|to| ring.contains(to)).cloned().collect();
            format!("    {from} imports {}", to.join(", "))
        };
        format!("{} files:\n{}", ring.len(), ring.iter().map(arrows).collect::<Vec<_>>().join("\n"))
    };
    let rings: Vec<_> = rings(&graph).into_iter().map(describe).collect();
    assert!(rings.is_empty(), "rings of imports:\n{}", rings.join("\n"));
}

/// A type that is defined in `src`: its name, and the module.
fn types() -> Vec<(String, String)> {
    let defined = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
        let (kind, rest) = line.trim_start_matches("pub ").trim_start_matches("unsafe ").split_once(' ')?;
        let is_type = matches!(kind, "struct" | "enum" | "trait" | "union" | "type");
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        (is_type && name.starts_with(char::is_uppercase)).then_some(name)
    };
    let of = |(module, code): (String, String)| {
        // An associated type is indented, and is no type of its own.
        let lines =
            code.lines().filter(|line| !line.trim_start().starts_with("type ") || !line.starts_with(' '));
        lines.filter_map(defined).map(|name| (name, module.clone())).collect::<Vec<_>>()
    };
    modules().into_iter().flat_map(of).collect()
}

/// The files of `sys/os`, each of which defines what the library takes of one system.
const SYSTEMS: [&str; 5] = ["apple", "freebsd", "linux", "portable", "windows"];

#[test]
fn no_type_name_stands_for_two_things() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, module) in types() {
        // One of two for a configuration: a platform, or the model checker. They are the same thing.
        let place = SYSTEMS.iter().fold(module, |place, system| place.replace(&format!("::{system}"), ""));
        places.entry(name).or_default().insert(place);
    }
    assert!(places.len() > 150, "the types were not found");
    places.retain(|_, modules| modules.len() > 1);
    assert!(places.is_empty(), "types of the same name: {places:#?}");
}

/// The last column of the glossary in `docs/DESIGN.md`.
fn refused_words() -> Vec<String> {
    let design = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/DESIGN.md");
    let text = fs::read_to_string(design).expect("the design is there");
    let glossary =
        text.split("\n## 2. Glossary\n").nth(1).expect("a glossary").split("\n## ").next().expect("its end");
    let rows = glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| word |"));
    assert!(rows.clone().count() <= 45, "a glossary of more than 45 words is not read");
    let last = |row: &str| row.trim_end_matches('|').rsplit('|').next().expect("a column").trim().to_owned();
    rows.flat_map(|row| last(row).split(", ").map(str::to_owned).collect::<Vec<_>>())
        .filter(|w| !w.is_empty())
        .collect()
}

#[test]
fn identifiers_use_the_words_of_the_glossary() {
    let refused = refused_words();
    assert!(refused.len() > 40, "{refused:?}");
    let mut wrong = BTreeSet::new();
    for (module, code) in modules() {
        let code: Vec<_> = code.lines().map(|line| line.split(" // ").next().expect("code")).collect();
        let code = code.join("\n");
        // Texts are read by users; what they say is not the name of anything.
        let outside_of_strings: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        for name in outside_of_strings.split(|c: char| !c.is_alphanumeric() && c != '_') {
            let mut parts = String::new();
            for c in name.chars() {
                if c.is_uppercase() {
                    parts.push('_');
                }
                parts.extend(c.to_lowercase());
            }
            // A refused word may have two parts.
            let parts = format!("_{parts}_");
            let says = |word: &&String| parts.contains(&format!("_{}_", word.replace(' ', "_")));
            for word in refused.iter().filter(says) {
                wrong.insert(format!("{module}: `{name}` says \"{word}\""));
            }
        }
    }
    let list: Vec<_> = wrong.into_iter().collect();
    assert!(list.is_empty(), "names that the glossary refuses:\n{}", list.join("\n"));
}

/// Everything that is not a test.
fn all_sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "benches", "crates", "examples"].map(|folder| root.join(folder));
    // The published package holds neither benches nor crates.
    folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| sources(folder)).collect()
}

#[test]
fn every_file_says_first_what_it_is() {
    let headless: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("UTF-8").starts_with("//! "))
        .collect();
    assert!(headless.is_empty(), "{headless:?}");
}

#[test]
fn no_file_grows_out_of_hand() {
    let code = |path: &Path| {
        let text = fs::read_to_string(path).expect("UTF-8");
        let until_tests = text.split("\nmod tests {").next().expect("a first part");
        let counts = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        until_tests.lines().filter(counts).count()
    };
    let large: Vec<_> = all_sources().into_iter().filter(|path| code(path) > MOST_LINES).collect();
    assert!(large.is_empty(), "more than {MOST_LINES} lines of code: {large:?}");
}

/// The functions of a file with their lines of code, heads included; the code has the form that rustfmt gives
/// it.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = code.lines().collect();
    let name_in = |line: &str| {
        let (before, after) = line.split_once("fn ")?;
        let is_head = before.split_whitespace().all(|word| {
            word.starts_with("pub") || matches!(word, "const" | "unsafe" | "async" | "extern" | "\"C\"")
        });
        is_head.then(|| after.split(['(', '<']).next().unwrap_or_default().to_owned())
    };
    let length = |start: usize| {
        let head = lines[start];
        let end = format!("{}}}", &head[..head.len() - head.trim_start().len()]);
        let counts = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let body = lines[start..].iter().take_while(|line| **line != end);
        if head.ends_with([';', '}']) { 1 } else { body.filter(counts).count() + 1 }
    };
    (0..lines.len()).filter_map(|start| Some((name_in(lines[start])?, length(start)))).collect()
}

#[test]
fn no_function_grows_out_of_hand() {
    let code = "fn a() {\n    b();\n\n    // c\n    d();\n}\n\n\
        impl E {\n    pub fn f(self) -> u32 {\n        0\n    }\n}\n";
    assert_eq!(functions(code), [("a".to_owned(), 4), ("f".to_owned(), 3)]);
    let of = |path: &PathBuf| {
        let functions = functions(&fs::read_to_string(path).expect("UTF-8"));
        functions.into_iter().map(|(name, lines)| (path.clone(), name, lines)).collect::<Vec<_>>()
    };
    let all: Vec<_> = all_sources().iter().flat_map(of).collect();
    assert!(all.len() > 500, "the functions were not found");
    let large: Vec<_> = all.into_iter().filter(|(_, _, lines)| *lines > MOST_LINES_OF_A_FUNCTION).collect();
    assert!(large.is_empty(), "more than {MOST_LINES_OF_A_FUNCTION} lines of code: {large:?}");
}

/// The texts whose paths and names must exist.
const DOCS: [&str; 6] =
    ["CONTRIBUTING.md", "docs/DESIGN.md", "docs/MODELS.md", "docs/TESTING.md", "docs/idle.md", "README.md"];

/// Folders that the published package does not hold.
const UNPUBLISHED: [&str; 5] = [".ci", "benches", "crates", "dropin", "examples"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code spans of a text in Markdown, outside of code blocks, each with the text before it.
fn code_spans(text: &str) -> Vec<(&str, &str)> {
    let prose = text.split("```").step_by(2).map(|part| part.split('`').collect::<Vec<_>>());
    prose.flat_map(|parts| parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()).collect()
}

/// The same of the comments of a file in Rust.
fn comments(code: &str) -> String {
    let comment = |line: &str| {
        line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']).to_owned())
    };
    code.lines().filter_map(comment).collect::<Vec<_>>().join("\n")
}

fn is_path(span: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || "_./-*".contains(c);
    span.chars().all(is_word)
        && !span.starts_with(['/', '-'])
        && (span.contains('/') || span.ends_with(".rs"))
}

/// Whether there is a file or folder `path`, in which a `*` stands for anything within a name.
fn exists_in(folder: &Path, path: &str) -> bool {
    let Some((before, after)) = path.split_once('*') else { return folder.join(path).exists() };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or((".", before));
    let suffix = after.split('/').next().unwrap_or_default().trim_start_matches('*');
    let fits = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().expect("UTF-8");
        name.starts_with(prefix) && name.ends_with(suffix)
    };
    fs::read_dir(folder.join(parent))
        .is_ok_and(|mut entries| entries.any(|entry| fits(entry.expect("readable"))))
}

/// Whether `path` exists, as seen from the root, from `src`, from the tests or from the models.
fn exists(path: &str) -> bool {
    let first = path.split('/').next().expect("a first part");
    if first == "target" {
        return true; // made by a build
    }
    if UNPUBLISHED.contains(&first) && !root().join(first).exists() {
        return true;
    }
    let folders = ["", "src", "tests", "tests/it", "crates/models", "crates/models/tests"];
    folders.iter().any(|folder| exists_in(&root().join(folder), path))
        || !path.contains('/') && {
            let folders = ["src", "tests", "crates"].map(|folder| root().join(folder));
            let published = folders.iter().filter(|folder| folder.is_dir());
            published.flat_map(|folder| sources(folder)).any(|file| file.ends_with(path))
        }
}

#[test]
fn paths_in_the_documentation_exist() {
    assert!(exists("src/runtime/core.rs") && exists("runtime/core.rs") && exists("behaviour/shutdown.rs"));
    assert!(
        exists("tests/process_*.rs") && exists("core.rs") && exists("src/**") && exists("examples/*/tests/")
    );
    assert!(!exists("src/runtime/heart.rs") && !exists("tests/heart_*.rs") && !exists("heart.rs"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut look = |file: &Path, text: &str| {
        for (_, span) in code_spans(text).into_iter().filter(|(_, span)| is_path(span)) {
            seen += 1;
            if !exists(span) && !file.ancestors().skip(1).any(|folder| exists_in(folder, span)) {
                wrong.push(format!("{}: {span}", file.display()));
            }
        }
    };
    for file in DOCS.map(|file| root().join(file)) {
        look(&file, &fs::read_to_string(&file).expect("the text is there"));
    }
    for file in sources(&src()) {
        look(&file, &comments(&fs::read_to_string(&file).expect("UTF-8")));
    }
    assert!(seen > 200, "the paths were not found");
    assert!(wrong.is_empty(), "paths that do not exist:\n{}", wrong.join("\n"));
}

/// Whether some module mentions `owner` (a type, or the module itself) and defines `name`: a function, a type
/// or a variant.
fn is_defined(modules: &BTreeMap<String, String>, owner: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let defines = |line: &str| {
        let is_item = ["fn", "struct", "enum", "trait", "type", "const", "mod"].iter().any(|kind| {
            line.split_once(&format!("{kind} {name}")).is_some_and(|(_, rest)| !rest.starts_with(is_word))
        });
        let is_variant =
            line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with([',', '(', ' ']));
        is_item || is_variant
    };
    modules.iter().filter(|(_, code)| code.contains(name)).any(|(module, code)| {
        let is_owner = module.rsplit("::").next() == Some(owner) || owner == "longshore";
        let mentions_owner = || {
            code.contains(owner)
                && code.lines().any(|line| line.split(|c| !is_word(c)).any(|part| part == owner))
        };
        (is_owner || mentions_owner()) && code.lines().any(defines)
    })
}

#[test]
fn functions_in_the_documentation_exist() {
    let modules = modules();
    assert!(is_defined(&modules, "Idle", "notify") && is_defined(&modules, "SpawnPolicy", "StandIns"));
    assert!(is_defined(&modules, "placement", "worker_for") && is_defined(&modules, "longshore", "blocking"));
    assert!(!is_defined(&modules, "Idle", "supervise") && !is_defined(&modules, "Idler", "notify"));
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in DOCS {
        let text = fs::read_to_string(root().join(file)).expect("the text is there");
        for (_, span) in code_spans(&text) {
            let parts: Vec<_> = span.split("::").collect();
            if parts.len() < 2
                || !parts.iter().all(|part| is_name(part))
                || parts == ["longshore", "internals"]
                || parts[0] == "std"
            {
                continue;
            }
            seen += 1;
            if !is_defined(&modules, parts[parts.len() - 2], parts[parts.len() - 1]) {
                wrong.push(format!("{file}: {span}"));
            }
        }
    }
    assert!(seen > 40, "the names were not found");
    assert!(wrong.is_empty(), "names that do not exist:\n{}", wrong.join("\n"));
}

/// The code spans that follow "model" or "models" directly, as in "Models: `parking` and `growing`."
fn models_named_in(text: &str) -> Vec<&str> {
    let mut in_list = false;
    let mut named = Vec::new();
    for (before, span) in code_spans(text) {
        let is_joint = |word: &str| matches!(word.trim(), "," | "and" | ", and");
        in_list = before.trim_end().trim_end_matches(':').to_lowercase().ends_with("model")
            || before.trim_end().trim_end_matches(':').to_lowercase().ends_with("models")
            || (in_list && is_joint(before));
        if in_list && !span.contains(['/', ' ', ':', '-', '.']) {
            named.push(span);
        }
    }
    named
}

#[test]
fn models_in_comments_and_documentation_exist() {
    assert_eq!(models_named_in("Models: `a`, `b` and `c`, `d.rs`; the model `e`. `f`"), ["a", "b", "c", "e"]);
    let protocols = root().join("crates/models/tests/protocols");
    if !protocols.exists() {
        return; // the published package holds no models
    }
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let mut look = |file: &str, text: &str| {
        for model in models_named_in(text) {
            seen += 1;
            if !protocols.join(model).with_extension("rs").exists() {
                wrong.push(format!("{file}: {model}"));
            }
        }
    };
    look("docs/DESIGN.md", &fs::read_to_string(root().join("docs/DESIGN.md")).expect("the design is there"));
    look("docs/TESTING.md", &fs::read_to_string(root().join("docs/TESTING.md")).expect("the text is there"));
    for path in sources(&src()) {
        look(&path.display().to_string(), &comments(&fs::read_to_string(&path).expect("UTF-8")));
    }
    assert!(seen > 30, "the names were not found");
    assert!(wrong.is_empty(), "models that do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn each_mutant_names_a_function_of_its_file() {
    let mutants = root().join("crates/models/tests/mutants.rs");
    let Ok(text) = fs::read_to_string(mutants) else { return }; // the published package holds no models
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for kind in ["removed(\"", "relaxed(\"", "torn(\""] {
        for call in text.split(kind).skip(1) {
            let arguments: Vec<_> = call.split('"').step_by(2).take(3).collect();
            let [file, function, operation] = arguments[..] else { panic!("{call}") };
            seen += 1;
            let sources: Vec<_> = sources(&src()).into_iter().filter(|path| path.ends_with(file)).collect();
            let [path] = &sources[..] else { panic!("{file} is not one file of src: {sources:?}") };
            let code = fs::read_to_string(path).expect("UTF-8");
            // As `mutation.rs` looks: from the head of the function to that of the next.
            let head = |line: &&str| !line.trim_start().starts_with("//") && line.contains("fn ");
            let is_its_head = |line: &&str| {
                head(line) && line.contains(&format!("fn {function}")) && {
                    let after = line.split_once(&format!("fn {function}")).expect("contained").1;
                    !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                }
            };
            let body =
                code.lines().skip_while(|line| !is_its_head(line)).skip(1).take_while(|line| !head(line));
            let body = body.collect::<Vec<_>>().join("\n");
            let is_barrier = operation == "fence" && (body.contains(".light()") || body.contains(".heavy()"));
            if !body.contains(operation) && !is_barrier {
                wrong.push(format!("{file}: {function}, {operation}"));
            }
        }
    }
    assert!(seen > 60, "the mutants were not found");
    assert!(wrong.is_empty(), "mutants of functions or operations that do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn each_folder_says_how_it_is_tested() {
    let text = fs::read_to_string(root().join("docs/TESTING.md")).expect("the text is there");
    let folders = LAYERS.map(|(folder, _)| format!("| `src/{folder}` |"));
    let missing: Vec<_> = folders.iter().filter(|row| !text.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "folders without a row in docs/TESTING.md: {missing:?}");
}

/// The texts that are held to the rules of `CONTRIBUTING.md` for English, besides the comments of all
/// sources.
const PLAIN: [&str; 11] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs/DESIGN.md",
    "docs/GUIDE.md",
    "docs/MODELS.md",
    "docs/PROGRAMS.md",
    "docs/TESTING.md",
    "docs/idle.md",
    "docs/trace-format.md",
];

/// The widest line of prose, in characters.
const WIDEST: usize = 110;

/// Subjects that do not name a thing.
const NAMELESS: [&str; 8] =
    ["anybody", "everybody", "nobody", "somebody", "whoever", "whomever", "those who", "one who"];

/// The rules for English that `prose` breaks, which may quote what it forbids.
fn faults_of(prose: &str) -> Vec<String> {
    let prose: String = prose.split('"').step_by(2).collect::<Vec<_>>().join(" ").to_lowercase();
    let words = prose.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let sentence = format!(" {} ", words.collect::<Vec<_>>().join(" "));
    NAMELESS
        .iter()
        .filter(|word| sentence.contains(&format!(" {word} ")))
        .map(|word| (*word).to_owned())
        .collect()
}

#[test]
fn prose_is_narrow_and_its_subjects_have_names() {
    assert_eq!(faults_of("Nobody waits; a worker parks. \"Whoever\" is no subject."), ["nobody"]);
    assert_eq!(faults_of("For those\n who wait."), ["those who"]);
    let mut wrong = Vec::new();
    let is_wide = |line: &&str| line.chars().count() > WIDEST;
    for file in all_sources().into_iter().chain(sources(&root().join("tests"))) {
        let text = fs::read_to_string(&file).expect("UTF-8");
        // rustfmt breaks code, but no texts, which tests and programs outside of `src` contain.
        let all = file.starts_with(src());
        let lines = text.lines().filter(|line| all || line.trim_start().starts_with("//"));
        let wide = lines.filter(is_wide).map(|line| format!("too wide: {line}"));
        wrong.extend(
            wide.chain(faults_of(&comments(&text))).map(|fault| format!("{}: {fault}", file.display())),
        );
    }
    // The published package does not hold every text.
    for file in PLAIN.into_iter().filter(|file| root().join(file).exists()) {
        let text = fs::read_to_string(root().join(file)).expect("UTF-8");
        // Tables and code blocks are not broken into lines.
        let prose = text
            .split("```")
            .step_by(2)
            .flat_map(str::lines)
            .filter(|line| !line.trim_start().starts_with('|'));
        let wide = prose.filter(is_wide).map(|line| format!("too wide: {line}"));
        wrong.extend(wide.chain(faults_of(&text)).map(|fault| format!("{file}: {fault}")));
    }
    assert!(wrong.is_empty(), "prose against the rules of CONTRIBUTING.md:\n{}", wrong.join("\n"));
}

/// The files of `src` that may put a thread to sleep. A wait of a worker sleeps in `runtime/long_wait.rs`,
/// where it gets a stand-in; each other file says why its sleep is no wait of a task.
const SLEEPS: [&str; 16] = [
    "base/barrier.rs",            // a barrier of the memory, not of threads
    "base/facade.rs",             // the façade itself
    "push/worker/rayon_rules.rs", // the waits of a pool that follows rayon-core
    "runtime/autoscaler.rs",      // the autoscaler, between two looks
    "runtime/core.rs",            // by `pause.rs`
    "runtime/lifecycle.rs",       // a thread that is no worker, or whose wait is over
    "runtime/long_wait.rs",       // every wait of a worker
    "runtime/pause.rs",           // a worker of a paused pool, between two tasks
    "runtime/stall.rs",           // the thread that looks at the waits
    "runtime/threads.rs",         // a thread that is no worker, or whose wait is over; a pause of 10 ms
    "runtime/wait.rs",            // a thread that is no worker, or a worker without a stack
    "runtime/worker_loop.rs",     // a worker without a task
    "submit/lane.rs",             // a few instructions of another thread
    "sync/latch.rs",              // its unit tests
    "task/deadlines.rs",          // the helper thread that ends tasks at their deadlines
    "workers/roster.rs",          // a spare thread
];

#[test]
fn threads_sleep_only_where_waits_are_known() {
    let sleeps = |code: &str| {
        let words = [
            "park()",
            "park_timeout(",
            ".wait(state",
            ".wait_timeout",
            ".wait_while(",
            "thread::sleep",
            ".recv()",
        ];
        words.iter().any(|word| code.replace("unpark()", "").contains(word))
    };
    assert!(sleeps("thread::park();") && sleeps("changed.wait_while(lock, f)") && !sleeps("waiter.unpark()"));
    let wrong: Vec<_> = modules()
        .into_iter()
        .filter(|(module, code)| {
            let path = module.replace("::", "/");
            sleeps(code) && !SLEEPS.iter().any(|file| file.strip_suffix(".rs") == Some(path.as_str()))
        })
        .map(|(module, _)| module)
        .collect();
    assert!(
        wrong.is_empty(),
        "these sleep outside of the wait primitive, see `runtime/long_wait.rs`: {wrong:?}"
    );
}
