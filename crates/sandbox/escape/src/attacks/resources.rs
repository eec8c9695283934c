//! More than one's share.

use std::io::{Read as _, Write as _};

use serde_json::Value;

use super::Named;
use crate::kernel::{Refusal, Tried, call, exit, fork, refused};

pub(super) const ATTACKS: &[Named] =
    &[("fork_bomb", fork_bomb), ("descriptors", descriptors), ("locked", locked)];

/// Every process forks, again and again, and stays. Each attempt is told by one byte. A bomb that nothing stops
/// stops itself at `most` processes.
fn fork_bomb(event: &Value) -> Tried {
    let most = event["most"].as_u64().unwrap_or(1100);
    let (mut reader, mut writer) = std::io::pipe()?;
    // All that live at the end go with this pipe.
    let (mut life, holder) = std::io::pipe()?;
    let mut alive = 0;
    while alive < most {
        if fork().map_err(|refusal| Refusal(format!("{} after {alive} processes", refusal.0)))? == 0 {
            drop((reader, holder));
            (0..DOUBLINGS).for_each(|_| {
                // A root that has seen enough reads no more.
                let _ = writer.write_all(if fork().is_ok() { b"x" } else { b"-" });
            });
            drop(writer);
            let _ = life.read(&mut [0]);
            exit(0);
        }
        alive += 1;
        // Each fork is told twice, by the process and by its copy.
        for _ in 0..2 * ((1 << DOUBLINGS) - 1) {
            let mut word = [0];
            reader.read_exact(&mut word)?;
            if word == *b"-" {
                return refused(format!("EAGAIN after {} processes", alive / 2));
            }
            alive += 1;
        }
        alive -= (1 << DOUBLINGS) - 1;
    }
    Ok(format!("{alive} processes"))
}

/// A wave of the bomb is 2 to this power.
const DOUBLINGS: u32 = 7;

/// Raises its own limit first, as far as it may.
fn descriptors(_: &Value) -> Tried {
    let more = [8192_u64, 8192];
    let raised = call!(SYS_prlimit64, 0, 7, &more[..], 0); // RLIMIT_NOFILE
    let mut open = 0;
    while open < 4000 {
        match call!(SYS_dup, 0) {
            Ok(_) => open += 1,
            Err(Refusal(errno)) => {
                let raised = raised.map_or_else(|refusal| refusal.0, |_| "raised".to_owned());
                return refused(format!("limit: {raised}; {errno} after {open} descriptors"));
            }
        }
    }
    Ok(format!("{open} descriptors"))
}

/// Memory that can never be swapped or moved.
fn locked(_: &Value) -> Tried {
    let bytes = vec![1_u8; 4 << 20];
    call!(SYS_mlock, &bytes[..], 4 << 20)?;
    Ok("locked 4 MB".to_owned())
}
