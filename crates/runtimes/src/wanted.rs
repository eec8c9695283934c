//! What an interpreter has to be: which language in which version, and how such installations look.

use serde::{Deserialize, Serialize};

use crate::Family;
use crate::probe::Version;

/// An interpreter that is wanted: of one language, in exactly this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Wanted {
    /// `CPython` 3.`0`.
    Python(u8),
    /// Node.js of a major version.
    Node(u8),
    /// Ruby `0`.`1`.
    Ruby(u8, u8),
    /// A Java runtime of a feature release.
    Java(u8),
}

impl Wanted {
    /// What runs a family, where that is an interpreter of the host's.
    pub(crate) fn of(family: Family) -> Option<Self> {
        match family {
            Family::Python { minor } => Some(Self::Python(minor)),
            Family::NodeJs { major } => Some(Self::Node(major)),
            Family::Ruby { major, minor } => Some(Self::Ruby(major, minor)),
            Family::Java { major } => Some(Self::Java(major)),
            Family::Provided | Family::DotNet { .. } => None,
        }
    }

    pub(crate) fn is_python(self) -> bool {
        matches!(self, Self::Python(_))
    }

    /// The folder of its client below the clients' own.
    pub(crate) fn client(self) -> &'static str {
        match self {
            Self::Python(_) => "python",
            Self::Node(_) => "nodejs",
            Self::Ruby(..) => "ruby",
            Self::Java(_) => "java",
        }
    }

    /// The names of its file in a folder of programs, the most exact first.
    pub(crate) fn executables(self) -> Vec<String> {
        match self {
            Self::Python(minor) => vec![format!("python3.{minor}")],
            Self::Ruby(major, minor) => vec![format!("ruby{major}.{minor}"), "ruby".to_owned()],
            Self::Node(_) | Self::Java(_) => vec![self.alias().to_owned()],
        }
    }

    /// The name without a version: layers and scripts on AWS start `/var/lang/bin/python` and the like.
    pub(crate) fn alias(self) -> &'static str {
        match self {
            Self::Python(_) => "python",
            Self::Node(_) => "node",
            Self::Ruby(..) => "ruby",
            Self::Java(_) => "java",
        }
    }

    /// The names under which `/var/lang/bin` shows an interpreter of the system.
    pub(crate) fn link_names(self) -> Vec<String> {
        match self {
            Self::Python(minor) => {
                vec![format!("python3.{minor}"), "python".to_owned(), "python3".to_owned()]
            }
            _ => vec![self.alias().to_owned()],
        }
    }

    pub(crate) fn matches(self, version: Version) -> bool {
        match self {
            Self::Python(minor) => version.0 == 3 && version.1 == u32::from(minor),
            Self::Node(major) | Self::Java(major) => version.0 == u32::from(major),
            Self::Ruby(major, minor) => version.0 == u32::from(major) && version.1 == u32::from(minor),
        }
    }

    /// What only a complete installation has; one of them is enough.
    pub(crate) fn landmarks(self) -> Vec<String> {
        match self {
            Self::Python(minor) => vec![format!("lib/python3.{minor}/os.py")],
            Self::Node(_) => vec!["include/node".to_owned(), "lib/node_modules".to_owned()],
            Self::Ruby(major, minor) => vec![format!("lib/ruby/{major}.{minor}.0/json.rb")],
            // From Java 9 on one file of modules; before, a jar, in a JDK or in a JRE.
            Self::Java(_) => vec!["lib/modules".into(), "jre/lib/rt.jar".into(), "lib/rt.jar".into()],
        }
    }

    /// Its name for people.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Python(minor) => format!("Python 3.{minor}"),
            Self::Node(major) => format!("Node.js {major}"),
            Self::Ruby(major, minor) => format!("Ruby {major}.{minor}"),
            Self::Java(major) => format!("Java {major}"),
        }
    }

    /// What to do where there is none.
    pub(crate) fn remedy(self) -> String {
        let example = match self {
            Self::Python(minor) => format!("pyenv install 3.{minor}"),
            Self::Node(major) => format!("nvm install {major}"),
            Self::Ruby(major, minor) => format!("rbenv install {major}.{minor}"),
            Self::Java(major) => format!("apt-get install openjdk-{major}-jre-headless"),
        };
        format!("install it, for example with `{example}`,")
    }
}
