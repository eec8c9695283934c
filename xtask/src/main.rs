//! The project's own commands: `cargo xtask codegen`, `tidy`, `test`, `prove`, `bench`.
//!
//! Each command is a module with one `run`; this file only picks the module.

use std::process::ExitCode;

mod bench;
mod codegen;
mod prove;
mod test;
mod tidy;

const USAGE: &str = "usage: cargo xtask codegen [--check]
       cargo xtask tidy
       cargo xtask test [--only SUITE] [FILTER…]
       cargo xtask prove PROOF [FILTER…]
       cargo xtask bench [--quick] [--peers] [--no-awake]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) if command == "codegen" => codegen::run(rest),
        Some((command, rest)) if command == "tidy" => tidy::run(rest),
        Some((command, rest)) if command == "test" => test::run(rest),
        Some((command, rest)) if command == "prove" => prove::run(rest),
        Some((command, rest)) if command == "bench" => bench::run(rest).map_err(|error| format!("{error:#}")),
        Some((command, _)) => Err(format!("unknown command '{command}'\n{USAGE}")),
        None => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: the folder that holds this package's folder.
fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// Where cargo and these commands put what they build.
fn target_directory() -> std::path::PathBuf {
    // A relative CARGO_TARGET_DIR counts from the folder that cargo was started in, as cargo reads it.
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), std::path::PathBuf::from)
}

/// Cargo, the one that runs us, in the repository.
///
/// Not with what it has set for this package: the build script of `ring` asks for such variables, so that everything that
/// depends on it would be built again whenever one of these commands follows a `cargo build` by hand.
fn cargo() -> std::process::Command {
    let mut command = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_package)) {
        command.env_remove(name);
    }
    command.current_dir(root());
    command
}
