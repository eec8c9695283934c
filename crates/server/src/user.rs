//! Whom the server runs as when it was started by root.

use std::io;

use lambent_sandbox_client::{SERVER_ID, User, has_roots_rights};

/// The name in `/etc/passwd` and `/etc/group` that the server takes where it is there.
const NAME: &str = "lambent";

/// Else it takes this id, which no distribution and no other program assigns.
const FIXED: u32 = SERVER_ID;

/// Whether this process has the rights of root, so that it can give them up.
#[must_use]
pub fn is_root() -> bool {
    // /proc is missing where nothing else works, either: the launcher then says so.
    has_roots_rights().unwrap_or(false)
}

/// The user that is not root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceUser {
    /// Its ids.
    pub ids: User,
    named: bool,
}

impl ServiceUser {
    /// The fixed one.
    pub(crate) const UNNAMED: Self = Self { ids: User { uid: FIXED, gid: FIXED }, named: false };

    /// Looks for the user in the host's files.
    ///
    /// # Errors
    /// When they cannot be read, or name root.
    pub(crate) fn find() -> io::Result<Self> {
        let read = |path| match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        };
        Self::of(&read("/etc/passwd")?, &read("/etc/group")?)
    }

    fn of(passwd: &str, group: &str) -> io::Result<Self> {
        let id = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(NAME)?.strip_prefix(':'))?;
            line.split(':').nth(1)?.parse::<u32>().ok()
        };
        let uid = id(passwd);
        // Not the group of the user's line: a system user's may be one that many share, and the group may write to the
        // data folder.
        let ids = User { uid: uid.unwrap_or(FIXED), gid: id(group).unwrap_or(FIXED) };
        if ids.uid == 0 || ids.gid == 0 {
            return Err(io::Error::other(format!("the user or group {NAME} of this host is root")));
        }
        Ok(Self { ids, named: uid.is_some() })
    }
}

impl std::fmt::Display for ServiceUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.named { f.write_str(NAME) } else { write!(f, "uid {}", self.ids.uid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_user_is_taken_where_there_is_one() {
        let passwd = "root:x:0:0::/:/bin/sh\nlambent2:x:5:5::/:\nlambent:x:990:65534::/var/lib/lambent:/usr/sbin/nologin\n";
        let group = "nogroup:x:65534:\nlambent:x:991:\n";
        let ids =
            |passwd, group| ServiceUser::of(passwd, group).map(|user| (user.ids.uid, user.ids.gid)).ok();
        assert_eq!(ids(passwd, group), Some((990, 991)));
        assert_eq!(ids(passwd, ""), Some((990, FIXED)), "never the group that everybody shares");
        assert_eq!(ids("", ""), Some((FIXED, FIXED)));
        assert_eq!(ids("lambent:x:0:0::/:/bin/sh", ""), None);
        assert_eq!(ServiceUser::of(passwd, group).unwrap().to_string(), "lambent");
        assert_eq!(ServiceUser::UNNAMED.to_string(), "uid 2143289345");
    }
}
