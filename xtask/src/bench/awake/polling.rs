//! Idle CPUs poll instead of sleeping: for as long as somebody asks for a latency of nothing, the kernel's `cpuidle`
//! takes the state that is left soonest (Linux: PM Quality Of Service Interface, `/dev/cpu_dma_latency`). In virtual
//! machines that takes the driver `haltpoll`; without a driver the file is there but says nothing to anyone.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;

const REQUEST: &str = "/dev/cpu_dma_latency";
const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";
/// The state of an idle CPU that is left soonest.
const FIRST_STATE: &str = "/sys/devices/system/cpu/cpu0/cpuidle/state0/name";

/// The request, which lasts for as long as its file is open.
#[derive(Debug)]
pub(crate) struct Polling(#[expect(dead_code, reason = "to be held open")] File);

/// Asks for it. None where the kernel has no way to poll, or this user no right to ask.
pub(crate) fn start() -> anyhow::Result<Option<Polling>> {
    if !can_poll(Path::new(DRIVER), Path::new(FIRST_STATE)) {
        return Ok(None);
    }
    let mut request = match OpenOptions::new().write(true).open(REQUEST) {
        Ok(request) => request,
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
            eprintln!(
                "cannot ask for CPUs that poll, {REQUEST}: {error}; threads of idle priority keep them awake"
            );
            return Ok(None);
        }
        Err(error) => return Err(error).context(REQUEST),
    };
    // Microseconds, a number of 32 bits in the machine's order.
    request.write_all(&0_i32.to_ne_bytes()).context(REQUEST)?;
    Ok(Some(Polling(request)))
}

/// Whether there is a driver, and its first state is the one without sleep.
fn can_poll(driver: &Path, first_state: &Path) -> bool {
    let read = |file: &Path| fs::read_to_string(file).unwrap_or_default();
    let driver = read(driver);
    !driver.trim().is_empty() && driver.trim() != "none" && read(first_state).trim() == "POLL"
}
