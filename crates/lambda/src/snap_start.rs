//! What goes together with SnapStart (AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart",
//! "Supported features and limitations").

use crate::{Refusal, Settings};

/// What `/tmp` may be of, in MB: "ephemeral storage greater than 512 MB" is not supported.
const EPHEMERAL_MB: u32 = 512;

/// Checks settings that ask for it.
pub(crate) fn check(settings: &Settings) -> Result<(), Refusal> {
    let refused = |what: &str| {
        Err(Refusal::InvalidParameter(format!("{what} is not supported for SnapStart enabled functions.")))
    };
    if !has_it(&settings.runtime) {
        return refused(&settings.runtime);
    }
    if settings.ephemeral_mb > EPHEMERAL_MB {
        return refused("Ephemeral Storage greater than 512 MB");
    }
    if !settings.surroundings.file_systems.is_empty() {
        return refused("EFS");
    }
    Ok(())
}

/// "Java 11 and later, Python 3.12 and later, .NET 8 and later. Other managed runtimes, OS-only runtimes … are not
/// supported."
fn has_it(runtime: &str) -> bool {
    let number = |prefix: &str| runtime.strip_prefix(prefix)?.parse::<u32>().ok();
    number("java").is_some_and(|release| release >= 11)
        || number("python3.").is_some_and(|minor| minor >= 12)
        || number("dotnet").is_some_and(|release| release >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_that_have_it() {
        for (runtime, expected) in [
            ("java11", true),
            ("java25", true),
            ("java8.al2", false),
            ("python3.12", true),
            ("python3.14", true),
            ("python3.11", false),
            ("dotnet8", true),
            ("dotnet6", false),
            ("nodejs22.x", false),
            ("ruby3.4", false),
            ("provided.al2023", false),
        ] {
            assert_eq!(has_it(runtime), expected, "{runtime}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let settings = |runtime: &str| Settings {
            snap_start: true,
            ..Settings::new("role".into(), runtime.into(), "f.h".into())
        };
        assert_eq!(check(&settings("python3.12")), Ok(()));
        let refusal = check(&settings("nodejs22.x")).unwrap_err();
        assert_eq!(refusal.to_string(), "nodejs22.x is not supported for SnapStart enabled functions.");
        assert!(check(&Settings { ephemeral_mb: 513, ..settings("java21") }).is_err());
        let files = crate::FileSystem { arn: "a".into(), path: "/mnt/a".into() };
        let mut with_files = settings("java21");
        with_files.surroundings.file_systems.push(files);
        assert!(check(&with_files).is_err());
    }
}
