//! `longshore_doctor [DIRECTORY | Cargo.toml] [-- ARGUMENTS of cargo metadata]`: says whether the rayon of a
//! project runs on Longshore, on rayon-core, or on both, and what to change.
//!
//! Exit status: 0 on Longshore (or no rayon at all), 1 on rayon-core or on both, 2 if the question could not be
//! answered.

mod diagnosis;

use std::path::{self, Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use diagnosis::{Diagnosis, Graph, names_a_patch};

const USAGE: &str = "\
usage: longshore_doctor [DIRECTORY | Cargo.toml] [-- ARGUMENTS of cargo metadata]

Reads the dependency graph of a project (default: of the working directory) and says whether its rayon runs on
Longshore, on rayon-core, or on both, and what to change.";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("longshore_doctor: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut arguments = env::args_os().skip(1);
    let mut project = None;
    let mut further = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-h" | "--help") => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            Some("--") => further.extend(arguments.by_ref()),
            Some(option) if option.starts_with('-') => {
                return Err(format!("there is no option {option:?}\n{USAGE}"));
            }
            _ if project.is_none() => project = Some(PathBuf::from(argument)),
            _ => return Err(format!("one project at a time, and {argument:?} is a second\n{USAGE}")),
        }
    }
    let manifest = manifest(&project.unwrap_or_else(|| PathBuf::from(".")))?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1"]).args(further);
    // In the directory of the project, whose `.cargo/config.toml` may hold the patch.
    cargo.arg("--manifest-path").arg(&manifest).current_dir(manifest.parent().unwrap_or(Path::new("/")));
    let output = cargo.output().map_err(|error| format!("cargo does not start: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // Two packages with the same `links`: cargo has refused the build, which is a diagnosis as well.
        return match Diagnosis::of_refusal(&complaint) {
            Some(diagnosis) => Ok(report(&diagnosis)),
            None => Err(format!("cargo metadata failed:\n{}", complaint.trim_end())),
        };
    }
    let graph = Graph::from_json(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let text = fs::read_to_string(graph.root_manifest()).unwrap_or_default();
    // Cargo names one such member; only a patch of rayon-core is of interest.
    let member = diagnosis::ignored_member(&complaint)
        .filter(|member| fs::read_to_string(member).is_ok_and(|text| names_a_patch(&text).is_some()));
    Ok(report(&graph.diagnose(&text, member)))
}

/// The `Cargo.toml` that `project` names.
fn manifest(project: &Path) -> Result<PathBuf, String> {
    let manifest = if project.is_dir() { project.join("Cargo.toml") } else { project.to_owned() };
    if !manifest.is_file() {
        return Err(format!("there is no file {}", manifest.display()));
    }
    path::absolute(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))
}

fn report(diagnosis: &Diagnosis) -> ExitCode {
    println!("{diagnosis}");
    if diagnosis.is_well() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
