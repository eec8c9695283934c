//! The machine itself: qemu without any right, its serial console shown as it speaks.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A quiet computer takes four minutes, a busy one several times that.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The first three let an emulated processor find out its speed without waiting for a clock that the host may not run
/// when the guest expects it; without them it sometimes hangs.
const KERNEL_ARGUMENTS: &str = "tsc_early_khz=2000000 lpj=4000000 no_timer_check mitigations=off console=ttyS0 \
                                root=/dev/nvme0n1 rootfstype=ext4 rw init=/usr/sbin/guest quiet panic=-1";

const MACHINE: &[&str] = &[
    "-M",
    "q35",
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max",
    "-smp",
    "2",
    "-m",
    "2G",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-serial",
    "stdio",
    // The one kind of disk whose driver is part of the kernel itself: no initial file system is needed.
    "-device",
    "nvme,drive=disk,serial=1",
];

/// Ends the machine when it is left behind.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Runs the machine until it turns itself off, and answers what it said.
pub(crate) fn boot(kernel: &Path, image: &Path, console: &Path) -> Result<String, String> {
    let mut child = Command::new("qemu-system-x86_64")
        .args(MACHINE)
        .arg("-kernel")
        .arg(kernel)
        .args(["-append", KERNEL_ARGUMENTS, "-drive"])
        .arg(format!("file={},if=none,format=raw,id=disk,cache=unsafe", image.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start qemu: {error}"))?;
    let output = BufReader::new(child.stdout.take().expect("stdout was asked for as a pipe"));
    let machine = Machine(child);
    let (lines, received) = channel();
    // Ends with the machine, whose end of the pipe is then closed.
    let reader = std::thread::spawn(move || {
        for line in output.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut file = std::fs::File::create(console)
        .map_err(|error| format!("cannot write {}: {error}", console.display()))?;
    let (mut said, deadline) = (String::new(), Instant::now() + LONGEST);
    loop {
        match received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                // What is shown and judged does not depend on the copy.
                let _kept = writeln!(file, "{line}");
                said.push_str(&line);
                said.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                said.push_str("the machine did not end in time\n");
                break;
            }
        }
    }
    drop(machine);
    // It reads from the machine's pipe, which is closed now.
    let _ended = reader.join();
    Ok(said)
}
