//! What the dependency graph of a project says about its rayon. Pure functions of the output of
//! `cargo metadata` and of the text of the `Cargo.toml`.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

/// The version of the package in this repository; a lock file must name it, or the patch is not used.
const VERSION: &str = "1.13.0";

/// A package named `rayon-core` in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    version: String,
    /// Where it comes from; a path if cargo names no source.
    source: String,
    is_longshore: bool,
    /// The packages that depend on it.
    users: Vec<String>,
}

/// The part of a dependency graph that the diagnosis needs.
#[derive(Debug)]
pub struct Graph {
    root: PathBuf,
    cores: Vec<Core>,
}

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// No package uses rayon.
    NoRayon,
    /// rayon runs on Longshore.
    Longshore(Core),
    /// rayon runs on rayon-core, and the project has no patch.
    Unpatched(Vec<Core>),
    /// The project has a patch, which cargo does not use.
    PatchUnused(Vec<Core>),
    /// Cargo ignores the patch, because it is in this manifest, which is not the root of the workspace.
    PatchInMember(Vec<Core>, PathBuf),
    /// The patch names a package of another name, which cargo does not use for rayon-core.
    PatchRenamed(Vec<Core>),
    /// Both are in the graph.
    Both(Vec<Core>),
    /// Cargo refuses the graph, because both are in it.
    Refused,
}

impl Graph {
    /// Reads the output of `cargo metadata --format-version 1`.
    pub fn from_json(json: &[u8]) -> Result<Graph, String> {
        let metadata: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let root = metadata["workspace_root"].as_str().ok_or("no workspace_root")?;
        let packages = metadata["packages"].as_array().ok_or("no packages")?;
        let nodes = metadata["resolve"]["nodes"].as_array().ok_or("no resolve graph")?;
        let name_of = |id: &Value| {
            let package = packages.iter().find(|package| package["id"] == *id);
            package.map_or_else(String::new, title)
        };
        let users = |id: &Value| {
            let depends = |node: &&Value| {
                node["dependencies"].as_array().is_some_and(|dependencies| dependencies.contains(id))
            };
            nodes.iter().filter(depends).map(|node| name_of(&node["id"])).collect()
        };
        let cores = packages.iter().filter(|package| package["name"] == "rayon-core");
        let cores = cores.filter(|package| nodes.iter().any(|node| node["id"] == package["id"]));
        let cores = cores.map(|package| Core {
            version: text(&package["version"]),
            source: match &package["source"] {
                Value::String(source) => source.clone(),
                _ => text(&package["manifest_path"]),
            },
            is_longshore: package["dependencies"]
                .as_array()
                .is_some_and(|dependencies| dependencies.iter().any(|d| d["name"] == "longshore")),
            users: users(&package["id"]),
        });
        Ok(Graph { root: PathBuf::from(root), cores: cores.collect() })
    }

    /// The manifest that may hold a patch.
    pub fn root_manifest(&self) -> PathBuf {
        self.root.join("Cargo.toml")
    }

    /// The answer, given the text of the root manifest, and the path of a member's manifest that has a patch.
    pub fn diagnose(&self, manifest: &str, member: Option<PathBuf>) -> Diagnosis {
        let cores = self.cores.clone();
        match (cores.iter().any(|core| core.is_longshore), cores.iter().any(|core| !core.is_longshore)) {
            (false, false) => Diagnosis::NoRayon,
            (true, false) => Diagnosis::Longshore(cores.into_iter().next().expect("there is one")),
            (true, true) => Diagnosis::Both(cores),
            (false, true) => match (names_a_patch(manifest), member) {
                (Some(Patch::Renamed), _) => Diagnosis::PatchRenamed(cores),
                (Some(Patch::Plain), _) => Diagnosis::PatchUnused(cores),
                (None, Some(member)) => Diagnosis::PatchInMember(cores, member),
                (None, None) => Diagnosis::Unpatched(cores),
            },
        }
    }
}

impl Diagnosis {
    /// The answer if cargo has refused the graph with this message.
    pub fn of_refusal(message: &str) -> Option<Diagnosis> {
        (message.contains("links") && message.contains("rayon-core")).then_some(Diagnosis::Refused)
    }

    /// Whether nothing is to be changed.
    pub fn is_well(&self) -> bool {
        matches!(self, Diagnosis::NoRayon | Diagnosis::Longshore(_))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn title(package: &Value) -> String {
    format!("{} {}", text(&package["name"]), text(&package["version"]))
}

/// A patch of rayon-core in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// With a package of the same name.
    Plain,
    /// With `package = ".."`.
    Renamed,
}

/// The patch of rayon-core that the manifest has.
pub fn names_a_patch(manifest: &str) -> Option<Patch> {
    let (mut is_in_patch, mut is_in_table, mut found) = (false, false, None);
    for line in manifest.lines().map(str::trim) {
        let names_it = if line.starts_with('[') {
            is_in_patch = line.starts_with("[patch.");
            is_in_table = is_in_patch && line.contains("rayon-core");
            is_in_table
        } else {
            is_in_table
                || is_in_patch && line.starts_with("rayon-core")
                || line.starts_with("patch.") && line.contains("rayon-core")
        };
        if names_it {
            let is_renamed = line.split(['{', ',', ' ', '.']).any(|word| word.starts_with("package"));
            found = if is_renamed { Some(Patch::Renamed) } else { found.or(Some(Patch::Plain)) };
        }
    }
    found
}

/// The manifest of a member whose patches cargo ignores, as its complaint says.
pub fn ignored_member(complaint: &str) -> Option<PathBuf> {
    let (_, after) = complaint.split_once("patch for the non root package will be ignored")?;
    after.lines().find_map(|line| line.strip_prefix("package:")).map(|path| PathBuf::from(path.trim()))
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_longshore { "Longshore's" } else { "the original" };
        write!(f, "  rayon-core {}, {kind}, from {}", self.version, self.source)?;
        self.users.iter().try_for_each(|user| write!(f, "\n    used by {user}"))
    }
}

fn list(f: &mut fmt::Formatter<'_>, cores: &[Core]) -> fmt::Result {
    cores.iter().try_for_each(|core| write!(f, "\n{core}"))
}

const PATCH: &str = "  [patch.crates-io]
  rayon-core = { git = \"<the repository of Longshore>\" }";

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Diagnosis::NoRayon => f.write_str("No package of this project uses rayon."),
            Diagnosis::Longshore(core) => write!(f, "rayon runs on Longshore.\n{core}"),
            Diagnosis::Unpatched(cores) => {
                f.write_str("rayon runs on rayon-core, not on Longshore.")?;
                list(f, cores)?;
                write!(f, "\nTo change that, add to the Cargo.toml of the workspace:\n{PATCH}")
            }
            Diagnosis::PatchUnused(cores) => {
                f.write_str(
                    "rayon runs on rayon-core, although Cargo.toml has a patch: cargo does not use it.",
                )?;
                list(f, cores)?;
                write!(
                    f,
                    "\nThe patch has version {VERSION}. Make the lock file take it:\n  \
                     cargo update -p rayon-core --precise {VERSION}\n\
                     If that fails, a package asks for another version of rayon-core: see the list above."
                )
            }
            Diagnosis::PatchInMember(cores, member) => {
                f.write_str(
                    "rayon runs on rayon-core, because cargo ignores the patch in a member of a workspace.",
                )?;
                list(f, cores)?;
                write!(
                    f,
                    "\nMove it from {} to the Cargo.toml at the root of the workspace:\n{PATCH}",
                    member.display()
                )
            }
            Diagnosis::PatchRenamed(cores) => {
                f.write_str("rayon runs on rayon-core: the patch names a package of another name.")?;
                list(f, cores)?;
                write!(
                    f,
                    "\nCargo wants a package named rayon-core. Leave `package = ..` out; the repository has it in \
                     dropin/rayon-core:\n{PATCH}"
                )
            }
            Diagnosis::Both(cores) => {
                f.write_str("Both Longshore's rayon-core and the original are in this project.")?;
                list(f, cores)?;
                write!(f, "\nName Longshore's in a patch only, never as a dependency:\n{PATCH}")
            }
            Diagnosis::Refused => write!(
                f,
                "Cargo refuses this project: Longshore's rayon-core and the original are both in it.\n\
                 Name Longshore's in a patch only, never as a dependency:\n{PATCH}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `cargo metadata` for an application that uses rayon on each of `cores`.
    fn graph(cores: &[(&str, bool)]) -> Graph {
        let id = |name: &str| format!("{name}#id");
        let mut packages = vec![serde_json::json!({
            "name": "app", "version": "0.1.0", "id": id("app"), "dependencies": [], "source": null
        })];
        let mut nodes = Vec::new();
        for (index, (version, is_longshore)) in cores.iter().enumerate() {
            let core = id(&format!("core{index}"));
            let dependency = if *is_longshore { "longshore" } else { "crossbeam-deque" };
            packages.push(serde_json::json!({
                "name": "rayon-core", "version": version, "id": core, "source": "somewhere",
                "dependencies": [{ "name": dependency }]
            }));
            nodes.push(serde_json::json!({ "id": core, "dependencies": [] }));
        }
        let all: Vec<_> = (0..cores.len()).map(|index| id(&format!("core{index}"))).collect();
        nodes.push(serde_json::json!({ "id": id("app"), "dependencies": all }));
        let metadata = serde_json::json!({
            "packages": packages, "resolve": { "nodes": nodes }, "workspace_root": "root"
        });
        Graph::from_json(metadata.to_string().as_bytes()).expect("valid")
    }

    #[test]
    fn each_state_has_its_answer() {
        assert_eq!(graph(&[]).diagnose("", None), Diagnosis::NoRayon);
        assert!(matches!(graph(&[("1.13.0", true)]).diagnose("", None), Diagnosis::Longshore(_)));
        let both = graph(&[("1.13.0", true), ("1.13.0", false)]).diagnose("", None);
        assert!(matches!(&both, Diagnosis::Both(cores) if cores.len() == 2) && !both.is_well());
        let stock = graph(&[("1.12.9", false)]);
        assert!(matches!(
            stock.diagnose("[dependencies]\nrayon-core = \"1\"", None),
            Diagnosis::Unpatched(_)
        ));
        for patch in [
            "[patch.crates-io]\nrayon-core = { path = \"x\" }",
            "[patch.crates-io.rayon-core]\ngit = \"x\"",
            "patch.crates-io.rayon-core.path = \"x\"",
        ] {
            let diagnosis = stock.diagnose(patch, Some(PathBuf::from("member")));
            assert!(matches!(diagnosis, Diagnosis::PatchUnused(_)));
            let text = diagnosis.to_string();
            assert!(text.contains("cargo update") && text.contains("app 0.1.0"), "{text}");
        }
        for patch in [
            "[patch.crates-io]\nrayon-core = { package = \"longshore\", path = \"x\" }",
            "[patch.crates-io.rayon-core]\npath = \"x\"\npackage = \"longshore\"",
        ] {
            assert!(matches!(stock.diagnose(patch, None), Diagnosis::PatchRenamed(_)), "{patch}");
        }
    }

    #[test]
    fn a_patch_in_a_member_is_found_by_the_complaint_of_cargo() {
        let complaint = "warning: patch for the non root package will be ignored, specify patch at the workspace root:\n\
                         package:   /ws/app/Cargo.toml\nworkspace: /ws/Cargo.toml\n";
        let member = ignored_member(complaint);
        assert_eq!(member, Some(PathBuf::from("/ws/app/Cargo.toml")));
        assert_eq!(ignored_member("warning: profiles for the non root package will be ignored"), None);
        let diagnosis = graph(&[("1.13.0", false)]).diagnose("[workspace]", member);
        assert!(diagnosis.to_string().contains("from /ws/app/Cargo.toml to"), "{diagnosis}");
    }

    #[test]
    fn a_refusal_of_cargo_is_an_answer() {
        let message =
            "error: failed to select a version.\nthe package `rayon-core` links to the native library";
        assert_eq!(Diagnosis::of_refusal(message), Some(Diagnosis::Refused));
        assert_eq!(Diagnosis::of_refusal("error: no network"), None);
    }
}
