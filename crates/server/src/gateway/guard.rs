//! Keeps web pages away from the API. A page open in a browser on the same machine can send requests to loopback
//! addresses; it cannot choose the `Host`, `Origin` and `Sec-Fetch-Site` headers that the browser adds.
//!
//! Sources: Fetch Standard ("Origin header"), W3C "Fetch Metadata Request Headers"; `Host` against DNS rebinding.

use std::net::IpAddr;

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use lambent_wire::{Error, common};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// See the module's text.
pub(crate) struct Guard {
    /// Further names under which the server may be addressed, in lower case.
    pub(crate) hosts: Vec<String>,
}

impl Guard {
    pub(crate) fn check(&self, parts: &Parts) -> Result<(), Error> {
        self.check_host(parts)?;
        self.check_page(parts)
    }

    /// Whether the request was meant for this server.
    pub(super) fn check_host(&self, parts: &Parts) -> Result<(), Error> {
        let text =
            |name: &HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let host = text(&HOST).or(authority).unwrap_or_default();
        // RFC 9112, section 3.2: a second one is an error, and an absolute request target overrides the header. Whoever
        // is in between may have gone by the other name, so all have to be ours.
        if parts.headers.get_all(HOST).iter().count() > 1 {
            return Err(common::malformed_http_request("the request has more than one Host header"));
        }
        if let Some(host) = [host].into_iter().chain(authority).find(|host| !self.is_ours(host)) {
            return Err(common::access_denied(format!(
                "Host {host:?} is not a name of this server; use localhost or add the name to `hosts` in lambent.toml"
            )));
        }
        Ok(())
    }

    /// Whether it comes from no page of another site.
    pub(super) fn check_page(&self, parts: &Parts) -> Result<(), Error> {
        let text =
            |name: &HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let host = text(&HOST).or(authority).unwrap_or_default();
        if let Some(origin) = text(&ORIGIN) {
            let origin_host = origin.split_once("://").map_or("", |(_, host)| host);
            if origin_host != host {
                return Err(common::access_denied(format!(
                    "requests from web pages of {origin} are refused"
                )));
            }
        }
        match text(&SEC_FETCH_SITE) {
            None | Some("same-origin" | "none") => Ok(()),
            Some(site) => Err(common::access_denied(format!("{site} requests of a browser are refused"))),
        }
    }

    fn is_ours(&self, authority: &str) -> bool {
        let name = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']').map_or("", |(name, _)| name),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let name = crate::urls::lower_case(name);
        let name = name.strip_suffix('.').unwrap_or(&name);
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.hosts.iter().any(|host| host == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> bool {
        let mut request = http::Request::builder().uri("/2015-03-31/functions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Guard { hosts: vec!["lambda.test".into()] }.check(&parts).is_ok()
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for host in
            ["localhost:4566", "127.0.0.1:4566", "[::1]:4566", "x.y.localhost", "LOCALHOST", "lambda.test:1"]
        {
            assert!(check(&[("host", host)]), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "10.0.0.1", "notlocalhost", "[::2]:1"] {
            assert!(!check(&[("host", host)]), "{host}");
        }
    }

    #[test]
    fn every_name_in_a_request_is_ours() {
        assert!(!check(&[("host", "localhost"), ("host", "localhost")]));
        let request = http::Request::builder().uri("http://evil.example/").header("host", "localhost");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert!(Guard { hosts: Vec::new() }.check(&parts).is_err());
    }

    #[test]
    fn browsers_reach_it_from_its_own_pages_only() {
        let host = ("host", "localhost:4566");
        assert!(check(&[host, ("origin", "http://localhost:4566"), ("sec-fetch-site", "same-origin")]));
        assert!(check(&[host, ("sec-fetch-site", "none")]));
        assert!(!check(&[host, ("origin", "https://evil.example")]));
        assert!(!check(&[host, ("origin", "null")]));
        assert!(!check(&[host, ("origin", "http://localhost:3000")]));
        assert!(!check(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!check(&[host, ("sec-fetch-site", "same-site")]));
    }
}
