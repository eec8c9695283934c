//! Builds the native example as a static executable: `lambent up --demo` deploys it on machines without a toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let example = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../../examples/native-hello");
    println!("cargo::rerun-if-changed={}", example.join("src").display());
    println!("cargo::rerun-if-changed=build.rs");
    let target = variable("TARGET");
    let directory = Path::new(&variable("OUT_DIR")).join("example");
    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(&example).args([
        "build",
        "--locked",
        "--release",
        "--target",
        &target,
        "--bin",
        "bootstrap",
    ]);
    cargo.args(["--config", "profile.release.strip=true", "--target-dir"]).arg(&directory);
    for inherited in ["RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(inherited);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    let status = cargo.status().unwrap_or_else(|error| panic!("cargo could not be started: {error}"));
    assert!(status.success(), "the native example could not be built, see above");
    let file = directory.join(&target).join("release/bootstrap");
    println!("cargo::rustc-env=LAMBENT_NATIVE_EXAMPLE={}", file.display());
}
