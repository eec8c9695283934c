//! Work on large bodies, which holds up nobody else's requests.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Bytes from which on work is done apart: reading so much JSON takes the better part of a millisecond, and moving a
/// worker's other tasks elsewhere some hundredth of one.
const LARGE: usize = 256 * 1024;

/// Does work that takes the longer the more `bytes` it is about. The tasks of this worker, of which a small machine has
/// one or two, go on elsewhere while it takes long: a package of 50 MB is read for a tenth of a second.
pub fn apart<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let has_others =
        Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    match bytes >= LARGE && has_others {
        true => tokio::task::block_in_place(work),
        false => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{LARGE, apart};

    /// With one worker: what it waits for is another task of its own.
    #[test]
    fn other_tasks_go_on_beside_large_work() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (other, heard) = mpsc::channel();
        let task = runtime.spawn(async move {
            tokio::spawn(async move { other.send(()) });
            apart(LARGE, || heard.recv_timeout(Duration::from_secs(30)))
        });
        assert_eq!(runtime.block_on(task).unwrap(), Ok(()));
    }

    #[test]
    fn there_need_be_no_runtime_of_several_threads() {
        assert_eq!(apart(LARGE, || 1), 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(async { apart(LARGE, || 2) }), 2);
    }
}
