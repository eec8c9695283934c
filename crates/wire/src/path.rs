//! Where in an input a value is, as messages name it.

use std::fmt;

/// One step from the input down to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Member(&'static str),
    /// An element of a list, counted from 0.
    Element(usize),
    /// An entry of a map.
    Entry(&'a str),
}

/// A path, kept while walking and printed only when something is wrong.
#[derive(Debug, Default)]
pub(crate) struct Path<'a>(Vec<Step<'a>>);

impl<'a> Path<'a> {
    /// Runs `walk` one step further down.
    pub(crate) fn within<T>(&mut self, step: Step<'a>, walk: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(step);
        let result = walk(self);
        self.0.pop();
        result
    }

    /// The names of the members on the way, if nothing else is on it.
    pub(crate) fn is_members(&self, names: &[&str]) -> bool {
        self.0.len() == names.len()
            && self
                .0
                .iter()
                .zip(names)
                .all(|(step, name)| matches!(step, Step::Member(member) if member == name))
    }
}

impl fmt::Display for Path<'_> {
    /// `vpcConfig.subnetIds`, `fileSystemConfigs.1.member.arn`: members start in lower case, elements count from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            match step {
                Step::Member(name) => f.write_str(&lower_first(name))?,
                Step::Element(index) => write!(f, "{}.member", index + 1)?,
                Step::Entry(key) => write!(f, "{key}.member")?,
            }
        }
        Ok(())
    }
}

/// `KMSKeyArn` becomes `kMSKeyArn`: AWS lowers the first letter alone.
pub(crate) fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
