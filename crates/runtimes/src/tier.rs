//! How much of a function's start can be done before anybody knows the function.
//!
//! A variable that an interpreter reads when it starts has no effect on one that runs already. So whoever sets one gets an
//! interpreter of its own, in a sandbox that was made in advance. The rule is by prefix, so that the variables of
//! tomorrow's interpreters fall on the safe side.

use crate::Family;

/// What can have been made in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The sandbox, with the interpreter started and our client waiting in it.
    Interpreter,
    /// The sandbox alone.
    Sandbox,
}

/// What interpreters, the C library and its loader, or libraries that they load at once, read when they start.
const READ_AT_START: &[&str] = &[
    "LD_", "GLIBC_", "MALLOC_", "GCONV_", "LOCPATH", "LANG", "LC_", "PYTHON", "NODE_", "UV_", "RUBY",
    "OPENSSL", "SSL_CERT", "ICU_",
];

/// Of these the ones that do no harm: read when they are used, or made known to an interpreter that runs.
const HARMLESS: &[&str] = &["NODE_ENV", "NODE_PATH"];

/// The home of the function's user in the sandbox's `/etc/passwd`, which an interpreter takes where `HOME` says nothing.
const USUAL_HOME: &str = "/tmp";

/// What can be made in advance for a function of this family with these variables of its own.
pub fn tier<'a>(family: Family, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tier {
    match family {
        Family::Python { .. } | Family::NodeJs { .. } => {
            let fresh = variables.into_iter().any(|(name, value)| needs_fresh_interpreter(name, value));
            if fresh { Tier::Sandbox } else { Tier::Interpreter }
        }
        // Clients that do not know how to wait, and programs of the function's own.
        Family::Ruby { .. } | Family::Java { .. } | Family::DotNet { .. } | Family::Provided => Tier::Sandbox,
    }
}

fn needs_fresh_interpreter(name: &str, value: &str) -> bool {
    match name {
        "AWS_LAMBDA_EXEC_WRAPPER" => true,
        // Python derives the folder of the user's own packages from it.
        "HOME" => value != USUAL_HOME,
        _ if HARMLESS.contains(&name) => false,
        _ => READ_AT_START.iter().any(|prefix| name.starts_with(prefix)),
    }
}

/// Whether a variable is the same for all functions of a runtime, so that an interpreter can be started with it before
/// its function is known.
pub(crate) fn is_common(name: &str) -> bool {
    const COMMON: [&str; 2] = ["AWS_EXECUTION_ENV", "AWS_XRAY_CONTEXT_MISSING"];
    COMMON.contains(&name) || !(name.starts_with("AWS_") || name.starts_with("_AWS_") || name == "_HANDLER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sets_what_is_read_at_the_start_gets_an_interpreter_of_its_own() {
        let python = Family::Python { minor: 12 };
        for name in [
            "AWS_LAMBDA_EXEC_WRAPPER",
            "GLIBC_TUNABLES",
            "LANG",
            "LC_ALL",
            "LD_LIBRARY_PATH",
            "LD_PRELOAD",
            "MALLOC_ARENA_MAX",
            "NODE_EXTRA_CA_CERTS",
            "NODE_OPTIONS",
            "NODE_SOMETHING_NEW",
            "OPENSSL_CONF",
            "PYTHONPATH",
            "PYTHONSOMETHINGNEW",
            "SSL_CERT_FILE",
            "UV_THREADPOOL_SIZE",
        ] {
            assert_eq!(tier(python, [("A", "b"), (name, "x")]), Tier::Sandbox, "{name}");
        }
        assert_eq!(tier(python, [("HOME", "/var/task")]), Tier::Sandbox);
    }

    #[test]
    fn others_are_prewarmed_where_a_client_can_wait() {
        let usual =
            [("TZ", "Asia/Tokyo"), ("HOME", "/tmp"), ("NODE_ENV", "x"), ("NODE_PATH", "/opt"), ("PATH", "/")];
        assert_eq!(tier(Family::NodeJs { major: 22 }, usual), Tier::Interpreter);
        assert_eq!(tier(Family::Python { minor: 14 }, []), Tier::Interpreter);
        for family in [Family::Ruby { major: 3, minor: 3 }, Family::Java { major: 21 }, Family::Provided] {
            assert_eq!(tier(family, []), Tier::Sandbox, "{family:?}");
        }
    }

    #[test]
    fn what_an_interpreter_is_started_with_says_nothing_of_a_function() {
        for name in [
            "_HANDLER",
            "AWS_REGION",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_SESSION_TOKEN",
            "_AWS_XRAY_DAEMON_PORT",
        ] {
            assert!(!is_common(name), "{name}");
        }
        for name in ["LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "AWS_EXECUTION_ENV", "_LAMBDA_TELEMETRY_LOG_FD"]
        {
            assert!(is_common(name), "{name}");
        }
    }
}
