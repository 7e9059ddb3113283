//! Required by `links`, which keeps a second rayon-core out of the build.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
