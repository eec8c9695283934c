//! `cargo xtask prove vm`: the sandbox's tests on another kernel than the host's, above all one whose limits are kept
//! by cgroup version 2 alone, as on most machines of today.
//!
//! ```text
//! Debian's packages ─▶ tree ─┐
//! test programs ─────────────┴▶ disk image ─▶ qemu (processor emulated, no right needed) ─▶ serial console ─▶ verdict
//! ```
//! Nothing is installed but qemu itself: the kernel and the guest's files are unpacked below the target folder.

mod boot;
mod programs;
mod tree;
mod verdict;

use crate::test::prepare::{self, C_COMPILER, MKE2FS, QEMU};

/// Boots the machine and judges what it says. The filters choose tests by name.
pub(crate) fn run(filters: &[String]) -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("the emulated machine is an x86_64, and the programs have to be of its kind".to_owned());
    }
    prepare::require(&[C_COMPILER, QEMU, MKE2FS])?;
    let folder = crate::target_directory().join("prove-vm");
    let debian = tree::Debian::prepare(&folder.join("debian"))?;
    let programs = programs::build()?;
    let image = debian.image(&folder.join("disk.img"), &programs, filters)?;
    let console = folder.join("console.txt");
    let said = boot::boot(&debian.kernel()?, &image, &console)?;
    let verdict = verdict::judge(&said, !filters.is_empty());
    println!("\nall that the machine said: {}", console.display());
    for (name, count) in &verdict.parts {
        println!("{name:<28} {count}");
    }
    println!("{}", verdict.total);
    match verdict.problem() {
        None => Ok(()),
        Some(problem) => Err(problem),
    }
}
