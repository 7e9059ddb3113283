//! Rules of the repository that a compiler does not check: layers, sizes, heads of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The largest file, in lines of code (without comments, blank lines and unit tests).
const MOST_LINES: usize = 400;

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

/// The modules of `src` by their path below the crate root (`push::worker::fork`), with the code of each: no comments, no
/// unit tests.
fn modules() -> BTreeMap<String, String> {
    let module = |path: &Path| {
        let inside = path.strip_prefix(src()).expect("below src").with_extension("");
        let name =
            inside.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("::");
        name.strip_suffix("::mod").unwrap_or(&name).to_owned()
    };
    let code = |path: &Path| {
        let text = fs::read_to_string(path).expect("UTF-8");
        let code = text.split("\n#[cfg(test)]\nmod ").next().expect("a first part");
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    sources(&src()).iter().map(|path| (module(path), code(path))).filter(|(name, _)| name != "lib").collect()
}

/// The modules that each module imports from, by the longest path that names a module.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules();
    let longest = |from: &str, path: &str| {
        let mut path = path;
        loop {
            if modules.contains_key(path) {
                return (path != from).then(|| path.to_owned());
            }
            path = path.rsplit_once("::")?.0;
        }
    };
    let path_at = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
        text[..end].trim_end_matches(':').to_owned()
    };
    let of = |name: &String, code: &String| {
        let absolute = code.split("crate::").skip(1).map(&path_at);
        let parent = name.rsplit_once("::").map_or("", |(parent, _)| parent);
        let relative = code.split("super::").skip(1).map(|text| format!("{parent}::{}", path_at(text)));
        absolute.chain(relative).filter_map(|path| longest(name, &path)).collect()
    };
    modules.iter().map(|(name, code)| (name.clone(), of(name, code))).collect()
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
        let (kind, rest) = line.trim_start_matches("pub ").split_once(' ')?;
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

#[test]
fn no_type_name_stands_for_two_things() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, module) in types() {
        // One of two for a configuration: a platform, or the model checker. They are the same thing.
        places.entry(name).or_default().insert(module.replace("::linux", "").replace("::portable", ""));
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
            for part in parts.split('_').filter(|part| refused.iter().any(|word| word == part)) {
                wrong.insert(format!("{module}: `{name}` says \"{part}\""));
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
