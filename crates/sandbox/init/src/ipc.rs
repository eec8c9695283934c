//! What processes leave behind in an IPC namespace: shared memory, message queues and semaphores of System V live on
//! without them, and what they hold counts against the sandbox's memory. After a reset the next program would start
//! with that much less.

use std::io;

/// Removes every such object of this namespace, which is the sandbox's own. All belong to the function's user, who is
/// init's as well.
pub(crate) fn clear() -> io::Result<()> {
    for (kind, remove) in KINDS {
        for id in ids(kind)? {
            match remove(id) {
                // EINVAL, EIDRM: it went with its last process.
                Err(error) if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIDRM)) => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

type Remove = fn(i32) -> io::Result<()>;

const KINDS: [(&str, Remove); 3] = [
    ("shm", |id| {
        // SAFETY: this command takes no structure.
        #[allow(unsafe_code)]
        done(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) })
    }),
    ("msg", |id| {
        // SAFETY: this command takes no structure.
        #[allow(unsafe_code)]
        done(unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) })
    }),
    ("sem", |id| {
        // SAFETY: this command takes no further argument.
        #[allow(unsafe_code)]
        done(unsafe { libc::semctl(id, 0, libc::IPC_RMID) })
    }),
];

fn done(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The ids in `/proc/sysvipc`, none where the kernel is built without System V's IPC.
fn ids(kind: &str) -> io::Result<Vec<i32>> {
    match std::fs::read_to_string(format!("/proc/sysvipc/{kind}")) {
        Ok(table) => Ok(second_column(&table)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Key, id and more; the head of the table has no number there.
fn second_column(table: &str) -> Vec<i32> {
    table.lines().filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_the_kernels_table() {
        let table = "       key      shmid perms       size\n         0          3  1600  314572800\n    -12 32771 0 5\n";
        assert_eq!(second_column(table), [3, 32771]);
        assert_eq!(second_column(""), [0; 0]);
    }
}
