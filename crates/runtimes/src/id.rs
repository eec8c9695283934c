//! Runtime identifiers (AWS Lambda Developer Guide, "Lambda runtimes").

use std::time::SystemTime;

use lambent_model::Timestamp;

/// What runs a function, with the version that has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `CPython` 3.`minor`.
    Python {
        /// The minor version.
        minor: u8,
    },
    /// Node.js.
    NodeJs {
        /// The major version.
        major: u8,
    },
    /// A `bootstrap` in the deployment package or a layer.
    Provided,
    /// The Java virtual machine.
    Java {
        /// The feature release, such as 21.
        major: u8,
    },
    /// Ruby.
    Ruby {
        /// The major version.
        major: u8,
        /// The minor version.
        minor: u8,
    },
    /// .NET.
    DotNet {
        /// The major version.
        major: u8,
    },
}

/// The operating system that AWS pairs with a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatingSystem {
    /// Amazon Linux 2.
    AmazonLinux2,
    /// Amazon Linux 2023.
    AmazonLinux2023,
}

/// Whether functions may use a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Functions may be created and updated. The date is when AWS deprecates the runtime (`YYYY-MM-DD`, from AWS's
    /// table); from then on its use deserves a warning.
    Until(&'static str),
    /// As before, and AWS has not announced a date.
    Open,
    /// No longer supported for creating or updating functions.
    Removed,
}

/// One runtime identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// The identifier, such as `python3.13`.
    pub id: &'static str,
    /// What runs it; `None` for runtimes that are gone.
    pub family: Option<Family>,
    /// What AWS runs it on.
    pub os: OperatingSystem,
    /// The form of its handler, for help texts.
    pub handler_form: &'static str,
    /// Whether functions may use it.
    pub support: Support,
}

impl RuntimeInfo {
    /// Whether functions may be created with it or updated to it.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        !matches!(self.support, Support::Removed)
    }

    /// The warning that its use deserves on `today` (`YYYY-MM-DD`), if any.
    #[must_use]
    pub fn deprecation(&self, today: &str) -> Option<String> {
        match self.support {
            // Dates in this form sort as text.
            Support::Until(date) if today >= date => {
                Some(format!("AWS deprecated the runtime {} on {date}; move to a later one", self.id))
            }
            _ => None,
        }
    }
}

const AL2: OperatingSystem = OperatingSystem::AmazonLinux2;
const AL2023: OperatingSystem = OperatingSystem::AmazonLinux2023;

const fn accepted(
    id: &'static str,
    family: Family,
    os: OperatingSystem,
    handler_form: &'static str,
    until: &'static str,
) -> RuntimeInfo {
    let support = if until.is_empty() { Support::Open } else { Support::Until(until) };
    RuntimeInfo { id, family: Some(family), os, handler_form, support }
}

const fn python(id: &'static str, minor: u8, os: OperatingSystem, until: &'static str) -> RuntimeInfo {
    accepted(id, Family::Python { minor }, os, "module.function", until)
}

const fn nodejs(id: &'static str, major: u8, os: OperatingSystem, until: &'static str) -> RuntimeInfo {
    accepted(id, Family::NodeJs { major }, os, "file.export", until)
}

const fn java(id: &'static str, major: u8, os: OperatingSystem, until: &'static str) -> RuntimeInfo {
    accepted(id, Family::Java { major }, os, "package.Class::method", until)
}

const fn ruby(
    id: &'static str,
    major: u8,
    minor: u8,
    os: OperatingSystem,
    until: &'static str,
) -> RuntimeInfo {
    accepted(id, Family::Ruby { major, minor }, os, "file.method", until)
}

const fn dotnet(id: &'static str, major: u8, os: OperatingSystem, until: &'static str) -> RuntimeInfo {
    accepted(id, Family::DotNet { major }, os, "Assembly::Namespace.Class::Method", until)
}

const fn provided(id: &'static str, os: OperatingSystem, until: &'static str) -> RuntimeInfo {
    accepted(id, Family::Provided, os, "any text; the bootstrap decides", until)
}

const fn removed(id: &'static str) -> RuntimeInfo {
    RuntimeInfo { id, family: None, os: AL2, handler_form: "", support: Support::Removed }
}

/// The date of a point in time as the table has it, in UTC: what [`RuntimeInfo::deprecation`] wants to know.
#[must_use]
pub fn date(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (year, month, day, ..) = Timestamp::from_millis(0).plus(since).civil();
    format!("{year:04}-{month:02}-{day:02}")
}

/// Every runtime identifier of the Lambda API, the oldest last.
pub const ALL: &[RuntimeInfo] = &[
    python("python3.15", 15, AL2023, ""),
    python("python3.14", 14, AL2023, "2029-06-30"),
    python("python3.13", 13, AL2023, "2029-06-30"),
    python("python3.12", 12, AL2023, "2028-10-31"),
    python("python3.11", 11, AL2, "2027-06-30"),
    python("python3.10", 10, AL2, "2026-10-31"),
    python("python3.9", 9, AL2, "2025-12-15"),
    python("python3.8", 8, AL2, "2024-10-14"),
    nodejs("nodejs26.x", 26, AL2023, ""),
    nodejs("nodejs24.x", 24, AL2023, "2028-04-30"),
    nodejs("nodejs22.x", 22, AL2023, "2027-04-30"),
    nodejs("nodejs20.x", 20, AL2023, "2026-04-30"),
    nodejs("nodejs18.x", 18, AL2, "2025-09-01"),
    provided("provided.al2023", AL2023, "2029-06-30"),
    provided("provided.al2", AL2, "2026-07-31"),
    java("java25", 25, AL2023, "2029-06-30"),
    java("java21", 21, AL2023, "2029-06-30"),
    java("java17.al2023", 17, AL2023, "2029-06-30"),
    java("java17", 17, AL2, "2027-06-30"),
    java("java11.al2023", 11, AL2023, "2029-06-30"),
    java("java11", 11, AL2, "2027-06-30"),
    java("java8.al2023", 8, AL2023, "2029-06-30"),
    java("java8.al2", 8, AL2, "2027-06-30"),
    ruby("ruby4.0", 4, 0, AL2023, "2029-03-31"),
    ruby("ruby3.4", 3, 4, AL2023, "2028-03-31"),
    ruby("ruby3.3", 3, 3, AL2023, "2027-03-31"),
    ruby("ruby3.2", 3, 2, AL2, "2026-03-31"),
    dotnet("dotnet10", 10, AL2023, "2028-11-14"),
    dotnet("dotnet8", 8, AL2023, "2026-11-10"),
    dotnet("dotnet6", 6, AL2, "2024-12-20"),
    removed("python3.7"),
    removed("python3.6"),
    removed("python2.7"),
    removed("nodejs16.x"),
    removed("nodejs14.x"),
    removed("nodejs12.x"),
    removed("nodejs10.x"),
    removed("nodejs8.10"),
    removed("nodejs6.10"),
    removed("nodejs4.3-edge"),
    removed("nodejs4.3"),
    removed("nodejs"),
    removed("java8"),
    removed("ruby2.7"),
    removed("ruby2.5"),
    removed("dotnetcore3.1"),
    removed("dotnetcore2.1"),
    removed("dotnetcore2.0"),
    removed("dotnetcore1.0"),
    removed("go1.x"),
    removed("provided"),
];

/// What is known of a runtime identifier. Matching is exact, as AWS's is.
#[must_use]
pub fn info(runtime_id: &str) -> Option<&'static RuntimeInfo> {
    ALL.iter().find(|info| info.id == runtime_id)
}

/// What runs functions of a runtime; `None` for unknown identifiers and for runtimes that are gone.
#[must_use]
pub fn family(runtime_id: &str) -> Option<Family> {
    info(runtime_id).and_then(|info| info.family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_unique_and_say_their_own_version() {
        for (index, info) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.id != info.id), "{} is there twice", info.id);
            let expected = match info.family {
                Some(Family::Python { minor }) => format!("python3.{minor}"),
                Some(Family::NodeJs { major }) => format!("nodejs{major}.x"),
                Some(Family::Java { major }) => format!("java{major}"),
                Some(Family::Ruby { major, minor }) => format!("ruby{major}.{minor}"),
                Some(Family::DotNet { major }) => format!("dotnet{major}"),
                Some(Family::Provided) => "provided.al2".to_owned(),
                None => info.id.to_owned(),
            };
            assert!(info.id.starts_with(&expected), "{} is not {expected}", info.id);
            assert_eq!(info.family.is_none(), !info.is_accepted(), "{}", info.id);
        }
    }

    #[test]
    fn gone_and_unknown_runtimes_have_no_family() {
        assert_eq!(family("python3.13"), Some(Family::Python { minor: 13 }));
        assert_eq!(family("python3.7"), None);
        assert_eq!(family("Python3.13"), None);
        assert!(info("go1.x").is_some_and(|info| !info.is_accepted()));
    }

    #[test]
    fn deprecation_is_a_warning_from_its_date_on() {
        let nodejs18 = info("nodejs18.x").expect("it is in the table");
        assert_eq!(nodejs18.deprecation("2025-08-31"), None);
        assert!(nodejs18.deprecation("2025-09-01").is_some_and(|text| text.contains("nodejs18.x")));
        assert_eq!(info("nodejs26.x").and_then(|info| info.deprecation("2099-01-01")), None);
    }
}
