//! Java: the version of an installation, AWS's client, and the options of the virtual machine.
//!
//! Java functions run with AWS's own client, whose jars `lambent runtimes add` fetches once and checks by the sums
//! below. They are not in the binary: that would be two megabytes for those who have no Java.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lambent_model::MemorySize;

use crate::probe::Version;

/// A file of AWS's client in Maven Central.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jar {
    /// The file's name.
    pub name: &'static str,
    /// Its folder below the repository's root.
    pub folder: &'static str,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: &'static str,
}

/// AWS's client: the versions that belong together are those that the client's own description names.
pub const JARS: [Jar; 4] = [
    Jar {
        name: "aws-lambda-java-core-1.4.0.jar",
        folder: "com/amazonaws/aws-lambda-java-core/1.4.0",
        sha256: "575c24393cc1ad645e83e618956eabd89ffe8cc09efae2cb62bc6589154d68ed",
    },
    Jar {
        name: "aws-lambda-java-serialization-1.2.0.jar",
        folder: "com/amazonaws/aws-lambda-java-serialization/1.2.0",
        sha256: "1513c1f945a3213f916a4b2de1760c97b51d84d110f82bbbcf9cfac53d5651e7",
    },
    // Missed not before the first invocation has been answered.
    Jar {
        name: "utils-lite-2.34.0.jar",
        folder: "software/amazon/awssdk/utils-lite/2.34.0",
        sha256: "efaf784f07ae526f0b5c89d71ef21cf16636131c47d44616e3df9bedc3f4f89a",
    },
    Jar {
        name: "aws-lambda-java-runtime-interface-client-2.9.0.jar",
        folder: "com/amazonaws/aws-lambda-java-runtime-interface-client/2.9.0",
        sha256: "26568a5f63bf9e921567e77661be425650abc8972bae2aa0b7e99bab4e4239d9",
    },
];

/// The client's version, which names its folder: a later Lambent with a later client does not find the old one.
pub const CLIENT_VERSION: &str = "2.9.0";

const MAIN_CLASS: &str = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
const NATIVE_PROPERTY: &str = "com.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI";

/// The client's native library for this processor, the same name as in its jar's folder `jni`.
pub const NATIVE_LIBRARY: &str = if cfg!(target_arch = "aarch64") {
    "libaws-lambda-jni.linux-aarch_64.so"
} else {
    "libaws-lambda-jni.linux-x86_64.so"
};

/// Where the client is, below the data folder's `runtimes`.
#[must_use]
pub fn client_folder(runtimes: &Path) -> PathBuf {
    runtimes.join(format!("java-{CLIENT_VERSION}"))
}

/// Whether all of the client is in its folder. Its sums were checked before it came there.
#[must_use]
pub fn is_complete(client: &Path) -> bool {
    let library = client.join("lib");
    JARS.iter().all(|jar| library.join(jar.name).is_file())
        && library.join("jni").join(NATIVE_LIBRARY).is_file()
}

/// The version in the file `release` of the installation that `executable` belongs to.
pub(crate) fn release_version(executable: &Path) -> Option<Version> {
    let text = fs::read_to_string(executable.parent()?.parent()?.join("release")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    parse_version(line.trim().trim_matches('"'))
}

/// `25`, `17.0.15`, and `1.8.0_402` for Java 8 (JEP 223: "New Version-String Scheme").
fn parse_version(text: &str) -> Option<Version> {
    let mut numbers = text.split(['.', '_', '+', '-']).map_while(|part| part.parse::<u32>().ok());
    let first = numbers.next()?;
    let rest: Vec<u32> = numbers.collect();
    let at = |index: usize| rest.get(index).copied().unwrap_or(0);
    Some(if first == 1 { Version(at(0), at(1), at(2)) } else { Version(first, at(0), at(1)) })
}

/// The whole command line, the handler last, as AWS's start script composes it: the client takes the handler as an
/// argument. What the function's own options decide is left to them, since on the command line it would win over
/// `JAVA_TOOL_OPTIONS` (Developer Guide, "Customize Java runtime startup behavior for Lambda functions").
pub(crate) fn argv(
    java: &Path,
    client: &Path,
    major: u8,
    memory: MemorySize,
    own_options: &str,
    handler: &str,
) -> Vec<OsString> {
    let mut argv = vec![java.as_os_str().to_owned()];
    argv.extend(machine_options(major, memory, own_options).into_iter().map(OsString::from));
    let library = client.join("lib");
    let mut native = OsString::from(format!("-D{NATIVE_PROPERTY}="));
    native.push(library.join("jni").join(NATIVE_LIBRARY));
    argv.push(native);
    argv.push("-classpath".into());
    argv.push(class_path(&library));
    argv.push(MAIN_CLASS.into());
    argv.push(handler.into());
    argv
}

fn class_path(library: &Path) -> OsString {
    let jars: Vec<OsString> = JARS.iter().map(|jar| library.join(jar.name).into_os_string()).collect();
    jars.join(std::ffi::OsStr::new(":"))
}

/// The virtual machine's options.
fn machine_options(major: u8, memory: MemorySize, own: &str) -> Vec<String> {
    let words: Vec<&str> = own.split_whitespace().collect();
    let says = |start: &str| words.iter().any(|word| word.starts_with(start));
    let mut options = Vec::new();
    if !["-Xmx", "-XX:MaxHeapSize", "-XX:MaxRAMPercentage", "-XX:MaxRAM="].iter().any(|name| says(name)) {
        options.push(format!("-XX:MaxHeapSize={}k", heap_kilobytes(memory)));
    }
    let chooses_collector = words.iter().any(|word| word.starts_with("-XX:+Use") && word.ends_with("GC"));
    if !chooses_collector {
        options.push("-XX:+UseSerialGC".to_owned());
    }
    // Up to Java 11 AWS leaves the compilers alone.
    if major >= 17 && !says("-XX:TieredStopAtLevel") && !says("-XX:-TieredCompilation") {
        options.extend(["-XX:+TieredCompilation", "-XX:TieredStopAtLevel=1"].map(str::to_owned));
    }
    if major >= 9 {
        options.push("--add-opens=java.base/java.io=ALL-UNNAMED".to_owned());
    }
    // From then on native libraries warn unless they are allowed (JEP 472).
    if major >= 24 {
        options.push("--enable-native-access=ALL-UNNAMED".to_owned());
    }
    let fixed = [
        // The package org.crac, which functions bring, looks for its implementation by this name.
        "-Dorg.crac.Core.Compat=com.amazonaws.services.lambda.crac",
        "-Djava.net.preferIPv4Stack=true",
        "-XX:+ErrorFileToStderr",
    ];
    // JDK 8 has no such option before update 282, and a machine that does not know one does not start.
    let known = if major >= 9 { fixed.len() } else { fixed.len() - 1 };
    options.extend(fixed[..known].iter().map(|option| (*option).to_owned()));
    options
}

/// AWS's share of the function's memory for the heap: 85 %.
fn heap_kilobytes(memory: MemorySize) -> u64 {
    u64::from(memory.0) * 1024 * 85 / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_age_are_read() {
        for (text, version) in [
            ("25", Some(Version(25, 0, 0))),
            ("25.0.3", Some(Version(25, 0, 3))),
            ("17.0.15", Some(Version(17, 0, 15))),
            ("1.8.0_402", Some(Version(8, 0, 402))),
            ("21.0.1+12-LTS", Some(Version(21, 0, 1))),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(parse_version(text), version, "{text:?}");
        }
    }

    #[test]
    fn the_function_s_own_options_are_not_overruled() {
        let options = |own: &str| machine_options(21, MemorySize(128), own).join(" ");
        assert!(options("").starts_with(
            "-XX:MaxHeapSize=111411k -XX:+UseSerialGC -XX:+TieredCompilation -XX:TieredStopAtLevel=1 "
        ));
        assert!(!options("-XX:+UseG1GC -Da=b").contains("SerialGC"));
        assert!(!options("-Da=b -Xmx64m").contains("MaxHeapSize"));
        assert!(!options("-XX:TieredStopAtLevel=4").contains("Tiered"));
        // The machine of Java 8 does not start with options of a later one.
        let old = machine_options(8, MemorySize(512), "").join(" ");
        assert!(
            !old.contains("--add-opens") && !old.contains("ErrorFileToStderr") && !old.contains("Tiered")
        );
    }
}
