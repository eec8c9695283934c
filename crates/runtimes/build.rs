//! Joins the Node.js client's modules (`src/join.rs` says why).

use std::path::Path;
use std::{env, fs};

#[path = "src/join.rs"]
mod join;
use join::Form;

fn main() {
    let sources =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../runtimes/nodejs");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed=src/join.rs");
    let read = |name: &str| {
        let file = sources.join(name);
        fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    };
    let folder = env::var("OUT_DIR").expect("cargo sets it");
    for (name, form) in [("index.mjs", Form::Module), ("joined.js", Form::Body)] {
        // The first says why.
        let joined =
            join::join(&["flags.mjs", "index.mjs"], form, read).unwrap_or_else(|problem| panic!("{problem}"));
        let target = Path::new(&folder).join(name);
        fs::write(target, joined).expect("cargo's folder for build scripts can be written");
    }
}
