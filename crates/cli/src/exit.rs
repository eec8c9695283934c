//! How the command ends: one code for each thing a script can do about it.

/// The exit codes of `lambent`, documented in `docs/exit-codes.md`. They are part of the interface and do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// All was done.
    Ok,
    /// The server or the host refused, or something broke.
    Failed,
    /// The command line makes no sense (clap ends with the same code).
    Usage,
    /// No server answers at the endpoint.
    Unreachable,
    /// What was named does not exist.
    NotFound,
    /// The function ran and returned an error.
    FunctionError,
    /// Ended by Ctrl-C; 128 + SIGINT, as shells count.
    Interrupted,
}

impl ExitCode {
    /// Every code with its meaning, in the order of the manual.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Ok, "done"),
        (Self::Failed, "failed: the reason is on standard error"),
        (Self::Usage, "the command line is wrong"),
        (Self::Unreachable, "no server answers at the endpoint"),
        (Self::NotFound, "the function or log group does not exist"),
        (Self::FunctionError, "the function ran and returned an error"),
        (Self::Interrupted, "interrupted by Ctrl-C"),
    ];

    /// The number the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotFound => 4,
            Self::FunctionError => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.code().into()
    }
}

/// The table that closes `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in ExitCode::ALL {
        text.push_str(&format!("  {:>3}  {meaning}\n", code.code()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_lists_every_code() {
        let page = include_str!("../../../docs/exit-codes.md");
        for (code, _) in ExitCode::ALL {
            assert!(page.contains(&format!("| {} |", code.code())), "docs/exit-codes.md lacks {code:?}");
        }
    }
}
