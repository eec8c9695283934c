//! How a wrapper script is started, and what to do about an entry point that the kernel would not start. The caller gets
//! AWS's words ("exec format error"); this is the line in the log that helps.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::io::Errno;

/// Runs the runtime's command line, its arguments, by a wrapper script (Developer Guide, "Modifying the runtime
/// environment"). AWS's managed runtimes begin with a shell script that does it: so a wrapper needs no `#!`, and these are
/// the words and the status for one that cannot be run.
pub(crate) const WRAPPED: &str = r#"
wrapper="$AWS_LAMBDA_EXEC_WRAPPER"
[ -f "$wrapper" ] || { echo "$wrapper: does not exist"; exit 127; }
[ -x "$wrapper" ] || { echo "$wrapper: is not an executable"; exit 126; }
exec "$wrapper" "$@"
"#;

/// A first line of a script, or the part of an ELF header that says for which processor it is.
const HEAD_BYTES: u64 = 256;

/// The remedy for a file of the package, shown to functions as `name`, that failed with `errno`; `None` if nothing
/// better is known than the error itself.
pub(crate) fn remedy(file: &Path, name: &str, errno: i32) -> Option<String> {
    let Head { head, mode } = head(file)?;
    judge(name, &head, mode, Errno::from_raw_os_error(errno))
}

/// How a file of a package begins.
pub(crate) struct Head {
    pub(crate) head: Vec<u8>,
    mode: u32,
}

/// Reads it, if it is a file.
pub(crate) fn head(file: &Path) -> Option<Head> {
    // A link in a package is not the server's to follow.
    let flags = rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits();
    let opened = fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(file).ok()?;
    let mode = opened.metadata().ok().filter(fs::Metadata::is_file)?.permissions().mode();
    let mut head = Vec::new();
    opened.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    Some(Head { head, mode })
}

fn judge(name: &str, head: &[u8], mode: u32, errno: Errno) -> Option<String> {
    match errno {
        Errno::ACCESS if mode & 0o111 == 0 => Some(format!(
            "{name} cannot be run: its mode in the package is {:04o}; run `chmod +x` before zipping it",
            mode & 0o7777
        )),
        Errno::NOENT => missing_interpreter(name, head),
        Errno::NOEXEC => Some(match processor(head) {
            Some(processor) if processor != std::env::consts::ARCH => format!(
                "{name} is compiled for {processor}, and this machine is {}: compile it for this one, for example with --target or GOARCH",
                std::env::consts::ARCH
            ),
            Some(_) => format!(
                "{name} is no executable for this machine, although its processor is the right one: it may be a library or cut short"
            ),
            None => format!(
                "{name} is neither an executable nor a script: a script begins with a line such as #!/bin/sh"
            ),
        }),
        _ => None,
    }
}

/// The file is there, so what is missing is what should run it.
fn missing_interpreter(name: &str, head: &[u8]) -> Option<String> {
    let Some(line) = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next())
    else {
        return processor(head).map(|_| {
            format!("{name} is linked against a loader or libraries that this machine does not have: link it statically")
        });
    };
    let interpreter = String::from_utf8_lossy(line);
    Some(if interpreter.ends_with('\r') {
        format!(
            "the lines of {name} end with CR LF, and there is no program {:?}: save it with LF alone",
            interpreter.trim_start()
        )
    } else {
        format!("{name} asks for {:?}, which is not in the sandbox", interpreter.trim())
    })
}

/// What a program or library is compiled for: a processor, as Rust calls it, or a system that is not this one.
pub(crate) fn platform(head: &[u8]) -> Option<&'static str> {
    // Mach-O of 64 and 32 bits, and of several processors; PE.
    const MACOS: [[u8; 4]; 3] =
        [[0xcf, 0xfa, 0xed, 0xfe], [0xce, 0xfa, 0xed, 0xfe], [0xca, 0xfe, 0xba, 0xbe]];
    if MACOS.iter().any(|magic| head.starts_with(magic)) {
        return Some("macOS");
    }
    if head.starts_with(b"MZ") { Some("Windows") } else { processor(head) }
}

/// The processor that an ELF header names, as Rust calls it (System V ABI, "ELF Header": `e_machine`).
fn processor(head: &[u8]) -> Option<&'static str> {
    let machine = head.strip_prefix(b"\x7fELF").and_then(|_| head.get(18..20))?;
    Some(match u16::from_le_bytes([machine[0], machine[1]]) {
        3 => "x86",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        _ => "another processor",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u16) -> Vec<u8> {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(18, 0);
        head.extend(machine.to_le_bytes());
        head
    }

    #[test]
    fn each_failure_has_its_remedy() {
        let foreign = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
        let own = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
        for (head, mode, errno, expected) in [
            (
                b"#!/bin/sh\n".to_vec(),
                0o644,
                Errno::ACCESS,
                Some("mode in the package is 0644; run `chmod +x`"),
            ),
            (b"#!/bin/sh\n".to_vec(), 0o755, Errno::ACCESS, None),
            (b"#!/bin/sh\r\necho\r\n".to_vec(), 0o755, Errno::NOENT, Some("end with CR LF")),
            (b"#!/usr/bin/perl6 -w\n".to_vec(), 0o755, Errno::NOENT, Some("asks for \"/usr/bin/perl6 -w\"")),
            (elf(own), 0o755, Errno::NOENT, Some("link it statically")),
            (elf(foreign), 0o755, Errno::NOEXEC, Some("is compiled for ")),
            (elf(own), 0o755, Errno::NOEXEC, Some("may be a library or cut short")),
            (b"echo hello\n".to_vec(), 0o755, Errno::NOEXEC, Some("begins with a line such as #!/bin/sh")),
            (b"\x7fE".to_vec(), 0o755, Errno::NOEXEC, Some("neither an executable nor a script")),
            (Vec::new(), 0o755, Errno::TXTBSY, None),
        ] {
            let said = judge("bootstrap", &head, mode, errno);
            match expected {
                Some(part) => assert!(said.as_deref().is_some_and(|said| said.contains(part)), "{said:?}"),
                None => assert_eq!(said, None),
            }
        }
    }
}
