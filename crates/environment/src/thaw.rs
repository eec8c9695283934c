//! A frozen sandbox that is about to be thawed.

use lambent_sandbox_client::Control;
use rustix::io::Errno;

/// Thaws the sandbox when it is dropped.
///
/// An event is written to the runtime's connection first: a process that was thawed before would wake, find nothing, go to
/// sleep, and wake once more, and would take a processor from who is still writing. Whatever becomes of the writing, this is
/// dropped, and the runtime goes on.
#[derive(Debug)]
pub(crate) struct Thaw(Control);

impl Thaw {
    pub(crate) fn new(control: &Control) -> Self {
        Self(control.clone())
    }
}

impl Drop for Thaw {
    fn drop(&mut self) {
        // Without the environment's lock, which may be held here.
        match self.0.thaw() {
            Ok(()) => {}
            // A sandbox that is gone says so itself.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
            // Any other would stay frozen.
            Err(error) => {
                tracing::warn!(%error, "an execution environment could not be thawed, and is ended");
                self.0.kill();
            }
        }
    }
}
