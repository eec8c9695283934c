//! Which operation a request asks for.

use std::borrow::Cow;
use std::str::Utf8Error;
use std::sync::OnceLock;

use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::common;
use crate::error::Error;
use crate::operation::{Dialect, Operation, Protocol, Route, Segment, Service};

/// A request that a route was found for.
#[derive(Debug)]
pub struct Matched {
    operation: &'static Operation,
    protocol: Protocol,
    /// The path's labels, decoded.
    labels: Vec<(&'static str, String)>,
}

impl Matched {
    /// A request for an operation whose members are all in the body.
    pub(crate) fn of(operation: &'static Operation, protocol: Protocol) -> Self {
        Self { operation, protocol, labels: Vec::new() }
    }

    /// What the request is written in, and the answer is to be.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        Dialect { service: self.operation.service, protocol: self.protocol }
    }

    /// The operation asked for, which may be one that is not offered.
    #[must_use]
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// A label of the path, decoded and not yet checked: `FunctionName`, `Resource`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_str())
    }
}

impl Service {
    /// Finds the operation that a request asks for. Neither body nor constraints are looked at.
    ///
    /// # Errors
    /// `UnknownOperationException` without a route, `SerializationException` for a path that is not UTF-8.
    pub fn route(&'static self, parts: &Parts) -> Result<Matched, Error> {
        match self.dialect(&parts.headers).protocol {
            Protocol::RestJson1 => self.route_by_path(parts),
            Protocol::Json1_0 | Protocol::Json1_1 => self.route_by_target(parts),
            // Without a body: what the query string says.
            Protocol::Query => self.route_form(parts, &[]),
        }
    }

    fn route_by_target(&'static self, parts: &Parts) -> Result<Matched, Error> {
        let target =
            parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let name = target.strip_prefix(self.target_prefix).and_then(|rest| rest.strip_prefix('.'));
        let operation = self.operations.iter().find(|operation| Some(operation.name) == name);
        match operation {
            // A queue's own path serves as well as the root (Amazon SQS Developer Guide, "Making requests").
            Some(operation) if parts.method == "POST" && (self.forms || parts.uri.path() == "/") => {
                Ok(Matched::of(operation, self.protocol))
            }
            _ => Err(common::unknown_operation(format!("{} has no operation '{target}'", self.name))),
        }
    }

    fn route_by_path(&'static self, parts: &Parts) -> Result<Matched, Error> {
        let segments = Segments::split(parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        let among = self.routes.of(self.operations, parts.method.as_str(), segments.0.len());
        let candidates = among.filter(|operation| {
            let route = &operation.route;
            segments.match_path(route.path)
                && route.query.iter().all(|(key, value)| has_pair(query, key, value))
        });
        // `?find=LayerVersion` and `?List=ALL` win over the plain route, a literal segment over a label.
        let best = candidates.max_by_key(|operation| {
            let literals =
                operation.route.path.iter().filter(|segment| matches!(segment, Segment::Literal(_)));
            (operation.route.query.len(), literals.count())
        });
        match best {
            Some(operation) => Ok(Matched {
                operation,
                protocol: self.protocol,
                labels: segments.labels(operation.route.path)?,
            }),
            None => Err(common::unknown_operation(format!(
                "{} has no operation for {} {}",
                self.name,
                parts.method,
                parts.uri.path()
            ))),
        }
    }
}

/// A service's operations by the length of their paths, and with their methods: a request is held against some few of the
/// hundred routes that there are, which lie scattered in memory, and mostly in no cache.
#[derive(Debug)]
pub(crate) struct Table(OnceLock<Vec<Vec<(&'static str, &'static Operation)>>>);

impl Table {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Those of `operations` that may be meant by a request of this method whose path has so many segments, in order.
    fn of(
        &self,
        operations: &'static [&'static Operation],
        method: &str,
        segments: usize,
    ) -> impl Iterator<Item = &'static Operation> {
        let by_length = self.0.get_or_init(|| by_length(operations));
        // The last is for all paths that are longer than any route.
        let these = &by_length[segments.min(by_length.len() - 1)];
        these.iter().filter(move |(of, _)| *of == method).map(|(_, operation)| *operation)
    }
}

fn by_length(operations: &'static [&'static Operation]) -> Vec<Vec<(&'static str, &'static Operation)>> {
    let longest = operations.iter().map(|operation| operation.route.path.len()).max().unwrap_or(0);
    let mut table = vec![Vec::new(); longest + 2];
    for operation in operations {
        let Route { method, path, .. } = &operation.route;
        let lengths = match path {
            [.., Segment::Greedy(_)] => path.len()..table.len(),
            _ => path.len()..path.len() + 1,
        };
        table[lengths].iter_mut().for_each(|these| these.push((*method, *operation)));
    }
    table
}

/// The raw path's segments: splitting comes before decoding, so that `%2F` stays inside its label.
struct Segments<'a>(Vec<&'a str>);

impl<'a> Segments<'a> {
    fn split(path: &'a str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        // Older SDKs end the same paths with a slash.
        let path = path.strip_suffix('/').unwrap_or(path);
        Self(path.split('/').collect())
    }

    fn match_path(&self, route: &[Segment]) -> bool {
        let greedy = matches!(route, [.., Segment::Greedy(_)]);
        (self.0.len() == route.len() || greedy && self.0.len() > route.len())
            && self.0.iter().zip(route).all(|(raw, segment)| match segment {
                Segment::Literal(literal) => raw == literal,
                Segment::Label(_) | Segment::Greedy(_) => !raw.is_empty(),
            })
    }

    fn labels(&self, route: &[Segment]) -> Result<Vec<(&'static str, String)>, Error> {
        let mut labels = Vec::new();
        for (index, (raw, segment)) in self.0.iter().zip(route).enumerate() {
            let (name, raw) = match segment {
                Segment::Literal(_) => continue,
                Segment::Label(name) => (name, (*raw).to_owned()),
                Segment::Greedy(name) => (name, self.0[index..].join("/")),
            };
            let value = percent_decode_str(&raw).decode_utf8().map_err(|_| {
                common::serialization_exception(format!("the path's segment '{raw}' is not UTF-8"))
            })?;
            labels.push((*name, value.into_owned()));
        }
        Ok(labels)
    }
}

fn has_pair(query: &str, key: &str, value: &str) -> bool {
    query_pairs(query).any(|pair| pair.is_ok_and(|(name, text)| name == key && text == value))
}

/// Keys and values of a query string, decoded; a key without `=` has an empty value, which is a value.
pub(crate) fn query_pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Utf8Error>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((query_decode(key)?, query_decode(value)?))
    })
}

fn query_decode(raw: &str) -> Result<Cow<'_, str>, Utf8Error> {
    if raw.contains('+') {
        let spaced = raw.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8().map(|text| Cow::Owned(text.into_owned()));
    }
    percent_decode_str(raw).decode_utf8()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_by_length_and_method() {
        let names = |method, segments| {
            let service = &crate::lambda::SERVICE;
            let found = service.routes.of(service.operations, method, segments);
            found.map(|operation| operation.name).collect::<Vec<_>>()
        };
        assert!(names("POST", 4).contains(&"Invoke"));
        assert!(names("GET", 4).iter().chain(&names("POST", 5)).all(|name| *name != "Invoke"));
        assert_eq!(names("POST", 1000), names("POST", 0));
    }

    #[test]
    fn a_greedy_label_takes_all_that_follows() {
        let route = [Segment::Literal("resources"), Segment::Greedy("Key")];
        let labels = |path| {
            let segments = Segments::split(path);
            segments.match_path(&route).then(|| segments.labels(&route).unwrap())
        };
        assert_eq!(labels("/resources/a"), Some(vec![("Key", "a".to_owned())]));
        assert_eq!(labels("/resources/a/b%2Fc/d"), Some(vec![("Key", "a/b/c/d".to_owned())]));
        assert_eq!(labels("/resources"), None);
        assert_eq!(labels("/others/a/b"), None);
    }
}
