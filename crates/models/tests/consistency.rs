//! What the compiler does not check about the models: their list in `docs/MODELS.md`, and the names of the
//! steps that mutants leave out. Runs without loom; `tests/repository.rs` checks the functions that mutants
//! name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file exists")
}

/// The names of the steps that follow each `call` in `code`.
fn steps(code: &str, call: &str) -> BTreeSet<String> {
    code.split(call)
        .skip(1)
        .filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned()))
        .collect()
}

#[test]
fn each_mutant_leaves_out_a_step_that_exists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocols");
    let files = fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("readable").path());
    let models: String = files.map(|file| fs::read_to_string(file).expect("UTF-8")).collect();
    let (left_out, mutants) = (steps(&models, "leaves_out("), steps(&read("tests/mutants.rs"), "without("));
    assert!(mutants.len() > 30, "{mutants:?}");
    assert_eq!(left_out, mutants);
}

#[test]
fn the_documentation_lists_each_model_with_its_bound() {
    // Lines of the form `file::model: bound;`.
    let defined = |line: &str| {
        let (name, bound) = line.trim().strip_suffix(';')?.split_once(": ")?;
        Some((name.split_once("::")?.1.to_owned(), bound.parse::<usize>().ok()?))
    };
    // Rows of the form `| number | model | description | bound (remark) | executions |`.
    let documented = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, _, name, _, bound, ..] = cells[..] else { return None };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        Some((name.to_owned(), bound.split(' ').next()?.parse::<usize>().ok()?))
    };
    let models: BTreeSet<_> = read("tests/models.rs").lines().filter_map(defined).collect();
    let rows: BTreeSet<_> = read("../../docs/MODELS.md").lines().filter_map(documented).collect();
    assert!(models.len() > 100, "{models:?}");
    assert_eq!(models, rows);
}
