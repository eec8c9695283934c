//! Builds the programs of the sandbox as static executables, which the library then embeds.
//!
//! They cannot be ordinary dependencies: they are programs, and unlike the server they are linked statically, for
//! inside a sandbox there may be no C library of the kind that the host has.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages of programs, and the packages they are made of.
const PROGRAMS: [&str; 3] = ["launcher", "init", "unpack"];
const SOURCES: [&str; 4] = ["protocol", "launcher", "init", "unpack"];

/// Small, since each sandbox maps its own init; fast enough, since they mostly wait for the kernel.
const PROFILE: [(&str, &str); 7] = [
    ("inherits", "\"release\""),
    ("opt-level", "\"s\""),
    ("lto", "true"),
    ("codegen-units", "1"),
    ("panic", "\"abort\""),
    ("strip", "true"),
    ("debug", "false"),
];

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let sandbox = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    for source in SOURCES {
        for part in ["src", "Cargo.toml"] {
            println!("cargo::rerun-if-changed={}", sandbox.join(source).join(part).display());
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    let target = variable("TARGET");
    let directory = Path::new(&variable("OUT_DIR")).join("static");
    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(&sandbox).args(["build", "--locked", "--profile", "sandbox", "--target", &target]);
    cargo.arg("--target-dir").arg(&directory);
    for (key, value) in PROFILE {
        cargo.arg("--config").arg(format!("profile.sandbox.{key}={value}"));
    }
    for program in PROGRAMS {
        cargo.args(["-p", &format!("lambent-sandbox-{program}")]);
    }
    // Flags and wrappers of the outer build (a linter, a coverage tool) are not for these.
    for inherited in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(inherited);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let status = cargo.status().unwrap_or_else(|error| panic!("cargo could not be started: {error}"));
    assert!(
        status.success(),
        "the static programs of the sandbox could not be built, see above; if the linker misses -lc, install the C \
         library's static part (Debian, Ubuntu: libc6-dev; Fedora: glibc-static)"
    );
    for program in PROGRAMS {
        let file = directory.join(&target).join("sandbox").join(format!("lambent-sandbox-{program}"));
        println!("cargo::rustc-env=LAMBENT_{}={}", program.to_uppercase(), file.display());
    }
}
