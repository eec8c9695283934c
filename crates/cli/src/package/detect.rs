//! Which runtime a folder is for, by the file names that AWS's console and guides use.

/// The languages that a folder can be told to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `python3.*`.
    Python,
    /// `nodejs*`.
    Nodejs,
    /// `ruby*`.
    Ruby,
    /// `java*`: the package is a jar.
    Java,
    /// `provided.*`: the package brings its own runtime. Go's and Rust's functions are of this kind.
    Provided,
}

impl Family {
    /// The family of an AWS runtime id, when it is one of these.
    #[must_use]
    pub fn of_runtime(id: &str) -> Option<Self> {
        let prefixes = [
            ("python", Self::Python),
            ("nodejs", Self::Nodejs),
            ("ruby", Self::Ruby),
            ("java", Self::Java),
            ("provided", Self::Provided),
        ];
        prefixes.into_iter().find_map(|(prefix, family)| id.starts_with(prefix).then_some(family))
    }

    /// The handler that the family's file names lead to; none where they say nothing of it.
    #[must_use]
    pub const fn handler(self) -> Option<&'static str> {
        match self {
            Self::Python | Self::Ruby => Some("lambda_function.lambda_handler"),
            Self::Nodejs => Some("index.handler"),
            Self::Java => None,
            // Custom runtimes get the text as `_HANDLER`; those that are one program ignore it.
            Self::Provided => Some("bootstrap"),
        }
    }

    /// Whether a file of this name marks the family.
    fn is_marked_by(self, name: &str) -> bool {
        match self {
            Self::Python => name == "lambda_function.py",
            Self::Nodejs => ["index.mjs", "index.js", "index.cjs"].contains(&name),
            Self::Ruby => name == "lambda_function.rb",
            Self::Java => is_jar(name),
            Self::Provided => name == "bootstrap",
        }
    }
}

/// Whether the name is that of a Java archive.
#[must_use]
pub fn is_jar(name: &str) -> bool {
    name.ends_with(".jar")
}

/// What a folder's names say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// One family fits.
    One(Family),
    /// None does.
    Nothing,
    /// Several do, and guessing would be wrong half the time.
    Several,
}

/// Whether one of the family's marks is among the names in the folder itself.
#[must_use]
pub fn fits(family: Family, top_level: &[String]) -> bool {
    top_level.iter().any(|name| family.is_marked_by(name))
}

/// Looks for the marks of each family among the names in the folder itself.
#[must_use]
pub fn detect(top_level: &[String]) -> Detected {
    let families = [Family::Python, Family::Nodejs, Family::Ruby, Family::Java, Family::Provided];
    let mut found = families.into_iter().filter(|family| fits(*family, top_level));
    match (found.next(), found.next()) {
        (None, _) => Detected::Nothing,
        (Some(family), None) => Detected::One(family),
        (Some(_), Some(_)) => Detected::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_decide() {
        for (names, expected) in [
            (&["lambda_function.py", "util.py"][..], Detected::One(Family::Python)),
            (&["index.mjs"], Detected::One(Family::Nodejs)),
            (&["index.cjs", "index.js"], Detected::One(Family::Nodejs)),
            (&["bootstrap", "lib.so"], Detected::One(Family::Provided)),
            (&["Gemfile", "lambda_function.rb"], Detected::One(Family::Ruby)),
            (&["function-1.0.jar"], Detected::One(Family::Java)),
            (&["main.py"], Detected::Nothing),
            (&["lambda_function.py", "lambda_function.rb"], Detected::Several),
            (&["bootstrap", "index.js"], Detected::Several),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(detect(&names), expected, "{names:?}");
        }
    }

    #[test]
    fn runtime_ids_name_their_family() {
        for (id, family) in [
            ("python3.13", Some(Family::Python)),
            ("nodejs22.x", Some(Family::Nodejs)),
            ("provided.al2023", Some(Family::Provided)),
            ("ruby3.4", Some(Family::Ruby)),
            ("java8.al2", Some(Family::Java)),
            ("dotnet8", None),
        ] {
            assert_eq!(Family::of_runtime(id), family, "{id}");
        }
    }
}
