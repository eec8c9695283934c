//! The host names of function URLs: `<id>.lambda-url.<region>.localhost`, and the same below configured domains.

use std::borrow::Cow;

/// The parts of a host name that is a function URL's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UrlHost {
    /// The URL's id, in lower case.
    pub(super) id: String,
    pub(super) region: String,
    /// The host name without the port, as the client wrote it.
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

/// The domains below which URLs are served.
#[derive(Debug, Clone)]
pub(crate) struct Domains(Vec<String>);

impl Domains {
    /// `localhost`, which every resolver answers with this machine (RFC 6761, section 6.3), and further ones.
    pub(crate) fn new(further: &[String]) -> Self {
        let further = further.iter().map(|domain| domain.trim_matches('.').to_ascii_lowercase());
        Self(std::iter::once("localhost".to_owned()).chain(further).collect())
    }

    /// What `authority`, a `Host` header, names; `None` where it is no function URL's.
    pub(super) fn parse(&self, authority: &str) -> Option<UrlHost> {
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let lower = lower_case(name);
        let (id, rest) = lower.strip_suffix('.').unwrap_or(&lower).split_once(".lambda-url.")?;
        let (region, domain) = rest.split_once('.')?;
        let is_label = |label: &str| !label.is_empty() && !label.contains('.');
        let is_ours = is_label(id) && is_label(region) && self.0.iter().any(|known| known == domain);
        is_ours.then(|| UrlHost { id: id.to_owned(), region: region.to_owned(), name: name.to_owned(), port })
    }
}

/// A name in lower case, which most are.
pub(crate) fn lower_case(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_function_urls_are_taken() {
        let domains = Domains::new(&[".Fn.Example.com".into()]);
        for (host, id, region, port) in [
            ("abc.lambda-url.us-east-1.localhost:4566", "abc", "us-east-1", Some(4566)),
            ("ABC.Lambda-Url.eu-west-1.LOCALHOST.", "abc", "eu-west-1", None),
            ("abc.lambda-url.us-east-1.fn.example.com", "abc", "us-east-1", None),
        ] {
            let found = domains.parse(host).unwrap();
            assert_eq!((&*found.id, &*found.region, found.port), (id, region, port), "{host}");
        }
        for host in [
            "localhost:4566",
            "abc.lambda-url.us-east-1.on.aws",
            "x.abc.lambda-url.us-east-1.localhost",
            "abc.lambda-url.localhost",
            ".lambda-url.us-east-1.localhost",
            "abc.lambda-url.us-east-1.localhost:x",
            "",
        ] {
            assert_eq!(domains.parse(host), None, "{host}");
        }
    }
}
