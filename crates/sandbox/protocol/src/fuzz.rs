//! Messages as targets for fuzzers: bytes in, no panic, and what is understood can be said again.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    FromInit, FromLauncher, LAUNCH_FDS, MAX_FDS, Rejection, ToInit, ToLauncher, decode_request, encode,
};

/// One datagram, read as a message of each kind.
pub fn message(bytes: &[u8]) {
    again::<ToLauncher>(bytes);
    again::<FromLauncher>(bytes);
    again::<ToInit>(bytes);
    again::<FromInit>(bytes);
    request(bytes);
}

/// What the launcher makes of it, whatever comes along.
fn request(bytes: &[u8]) {
    for descriptors in [0, LAUNCH_FDS, MAX_FDS] {
        match decode_request(bytes, descriptors) {
            Ok(ToLauncher::Hello { .. }) => panic!("a second hello is no request"),
            Ok(ToLauncher::Launch(launch)) => {
                // The id becomes part of paths.
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                assert!(
                    (1..=64).contains(&launch.id.len()) && launch.id.bytes().all(plain),
                    "{:?}",
                    launch.id
                );
                assert_eq!(descriptors, LAUNCH_FDS);
            }
            Err(Rejection::Refused(answer)) => drop(encode(&answer).expect("a refusal can be told")),
            Ok(_) | Err(Rejection::Foreign(_)) => {}
        }
    }
}

fn again<M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = serde_json::from_slice::<M>(bytes) else { return };
    // A message that is longer in our words than in those of the sender is refused by name.
    let Ok(text) = encode(&message) else { return };
    assert_eq!(serde_json::from_slice::<M>(&text).ok().as_ref(), Some(&message));
}

/// Inputs to begin with.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"Launch":{"id":"a-1","confinement":{"Namespaces":{"reach":"Loopback","trees":[{"source":"/x","target":"Task"},{"source":[47,255],"target":"Opt"}],"tmp":536870912,"lowest_port":4566,"open":true,"snapshots":"Take"}},"memory":134217728,"pids":1024}}"#,
        r#"{"Launch":{"id":"b","confinement":"Process","memory":0,"pids":4294967295}}"#,
        r#"{"Assign":{"id":"a-1","trees":[{"source":"/x","target":"Task"}],"memory":268435456}}"#,
        r#"{"Assigned":{"id":"a-1","failure":{"Refused":{"reason":"x"}}}}"#,
        r#"{"SetCpu":{"id":"a-1","millis":null}}"#,
        r#"{"Kill":{"id":"a-1"}}"#,
        r#"{"Unpack":{"id":7,"bytes":262144000,"entries":100000}}"#,
        r#"{"StopUnpack":{"id":7}}"#,
        r#"{"Hello":{"version":1,"namespaced":true,"runtime_api":"127.0.0.1:9001","platform":"[::1]:0"}}"#,
        r#"{"Start":{"argv":["/bin/sh"],"env":[["A","b"],[[65],[255,0]]],"cwd":"/"}}"#,
        r#"{"Ready":{"version":1,"runtime_api":"127.0.0.1:9001","platform":"127.0.0.1:4566"}}"#,
        r#"{"Failed":{"Step":{"step":"mount \u00e9","errno":-1}}}"#,
        r#"{"Gone":{"id":"a","reason":"x","memory_peak":18446744073709551615,"oom_kills":0}}"#,
        r#""Reset""#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_datagram_breaks_the_reader() {
        lambent_testkit::campaign(&super::messages(), super::message);
    }
}
