//! Why a host refuses namespaces, and what exactly to do about it.

use std::path::Path;

/// What a host says about who may make namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `kernel.apparmor_restrict_unprivileged_userns` is on (Ubuntu from 23.10 on).
    apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone` is off (Debian before 11, hardened kernels).
    users_may_not: bool,
    /// `user.max_user_namespaces` is 0.
    none_allowed: bool,
    /// In a container of Docker's or Podman's.
    container: bool,
    /// This program, for the profile that lets it.
    program: String,
}

impl Policy {
    pub(crate) fn read() -> Self {
        // What is absent restricts nothing.
        let setting = |path: &str| std::fs::read_to_string(Path::new("/proc/sys").join(path));
        let is = |path: &str, value: &str| setting(path).is_ok_and(|text| text.trim() == value);
        let program =
            std::env::current_exe().map_or_else(|_| "lambent".into(), |path| path.display().to_string());
        Self {
            apparmor_restricts: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
            users_may_not: is("kernel/unprivileged_userns_clone", "0"),
            none_allowed: is("user/max_user_namespaces", "0"),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists()),
            program,
        }
    }

    /// What to do, from the most probable cause to what always helps.
    pub(crate) fn remedy(&self, root: bool) -> String {
        let mut ways = Vec::new();
        if self.none_allowed {
            ways.push("allow user namespaces: `sudo sysctl -w user.max_user_namespaces=10000`".to_owned());
        }
        if !root && self.users_may_not {
            ways.push(
                "let users make namespaces: `sudo sysctl -w kernel.unprivileged_userns_clone=1`".to_owned(),
            );
        }
        if !root && self.apparmor_restricts {
            ways.push(format!(
                "let this program make namespaces, which AppArmor forbids here: `printf 'abi <abi/4.0>,\\nprofile \
                 lambent {} flags=(unconfined) {{\\n  userns,\\n}}\\n' | sudo tee /etc/apparmor.d/lambent && sudo \
                 apparmor_parser -r /etc/apparmor.d/lambent`",
                self.program
            ));
        }
        if self.container {
            ways.push(
                "start this container with --privileged, or with --security-opt seccomp=unconfined --security-opt \
                 apparmor=unconfined --security-opt systempaths=unconfined"
                    .to_owned(),
            );
        }
        if !root {
            ways.push("run lambent as root (sudo)".to_owned());
        }
        ways.push(
            "for your own code alone, without any isolation, run it with `--isolation process`".to_owned(),
        );
        ways.join("; or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_comes_first_and_a_way_out_always() {
        let program = "/opt/lambent".to_owned();
        let ubuntu = Policy { apparmor_restricts: true, program, ..Policy::default() };
        let text = ubuntu.remedy(false);
        assert!(
            text.starts_with("let this program") && text.contains("profile lambent /opt/lambent flags"),
            "{text}"
        );
        assert!(text.contains("sudo)") && text.ends_with("`--isolation process`"), "{text}");
        let container = Policy { container: true, ..Policy::default() };
        assert!(container.remedy(true).starts_with("start this container with --privileged"));
        assert!(!container.remedy(true).contains("sudo"), "root has nobody to become");
        for (policy, setting) in [
            (Policy { none_allowed: true, ..Policy::default() }, "user.max_user_namespaces"),
            (Policy { users_may_not: true, ..Policy::default() }, "kernel.unprivileged_userns_clone=1"),
        ] {
            assert!(policy.remedy(false).contains(setting));
        }
    }
}
