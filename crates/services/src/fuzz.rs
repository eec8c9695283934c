//! What strangers send and what a crash leaves, as targets for fuzzers: bytes in, no panic, and bounds that hold.

use crate::logs::fuzz;
use crate::sns::fuzz as sns;

/// A filter pattern, and behind the first line end a message.
pub fn pattern(bytes: &[u8]) {
    fuzz::pattern(bytes);
}

/// An Insights query, and behind the first line end a message.
pub fn query(bytes: &[u8]) {
    fuzz::query(bytes);
}

/// A file of log events.
pub fn segment(bytes: &[u8]) {
    fuzz::segment(bytes);
}

/// An attribute of a topic, an endpoint or a link, and behind the first line end a message.
pub fn topic(bytes: &[u8]) {
    sns::topic(bytes);
}

/// Inputs to begin with, for [`topic`].
#[must_use]
pub fn topics() -> Vec<Vec<u8>> {
    sns::topics()
}

/// Inputs to begin with, for [`pattern`].
#[must_use]
pub fn patterns() -> Vec<Vec<u8>> {
    fuzz::patterns()
}

/// Inputs to begin with, for [`query`].
#[must_use]
pub fn queries() -> Vec<Vec<u8>> {
    fuzz::queries()
}

/// Inputs to begin with, for [`segment`].
#[must_use]
pub fn segments() -> Vec<Vec<u8>> {
    fuzz::segments()
}

#[cfg(test)]
mod tests {
    use lambent_testkit::campaign;

    #[test]
    fn no_pattern_breaks_the_filter() {
        campaign(&super::patterns(), super::pattern);
    }

    #[test]
    fn no_query_breaks_insights() {
        campaign(&super::queries(), super::query);
    }

    #[test]
    fn nothing_that_is_said_of_topics_breaks_them() {
        campaign(&super::topics(), super::topic);
    }

    #[test]
    fn no_file_breaks_the_reader() {
        campaign(&super::segments(), super::segment);
    }
}
