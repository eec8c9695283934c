//! The host's resolvers, from resolv.conf(5).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// As many as the C library asks (resolv.conf(5), MAXNS).
const MOST: usize = 3;

/// Read again when the file has changed: a laptop comes into another network.
pub(super) struct Servers {
    file: PathBuf,
    last: Mutex<(Option<SystemTime>, Vec<SocketAddr>)>,
}

impl Servers {
    pub(super) fn of_the_host() -> Self {
        Self { file: "/etc/resolv.conf".into(), last: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn named(servers: Vec<SocketAddr>) -> Self {
        // A file that is never there never changes.
        Self { file: PathBuf::new(), last: Mutex::new((None, servers)) }
    }

    /// In the order in which they are to be asked; never none.
    pub(super) fn list(&self) -> Vec<SocketAddr> {
        let changed = modified(&self.file);
        let mut last = self.last.lock().expect("nothing panics while it is held");
        if last.1.is_empty() || last.0 != changed {
            // What cannot be read says as little as an empty file.
            *last = (changed, parse(&std::fs::read_to_string(&self.file).unwrap_or_default()));
        }
        last.1.clone()
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            return None;
        }
        // A link-local address with a zone (`fe80::1%eth0`) is no address without it, and is left out.
        Some(SocketAddr::new(words.next()?.parse().ok()?, 53))
    };
    let mut found: Vec<SocketAddr> = text.lines().filter_map(server).take(MOST).collect();
    if found.is_empty() {
        // "If no nameserver entries are present, the default is to use the name server on the local machine."
        found.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_those_of_the_file() {
        let text = "# made by hand\nsearch lan\nnameserver 127.0.0.53\n nameserver\tfd00::1 # at home\n\
                    nameserver fe80::1%eth0\nnameserver nonsense\noptions edns0\n";
        let expected = ["127.0.0.53:53".parse().unwrap(), "[fd00::1]:53".parse().unwrap()];
        assert_eq!(parse(text), expected);
        assert_eq!(parse(""), ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(parse("nameserver 1.1.1.1\n".repeat(5).as_str()).len(), MOST);
    }
}
