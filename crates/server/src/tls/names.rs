//! The names that the server's own certificates are for: those under which it is addressed, and no others.

use std::net::IpAddr;

/// Configured names, beside `localhost`, what is below it, and loopback addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// `hosts`: exactly these.
    hosts: Vec<String>,
    /// Where the server listens.
    listens: IpAddr,
    /// `url_domains`: whatever is below them.
    domains: Vec<String>,
}

impl Names {
    pub(crate) fn new(hosts: &[String], domains: &[String], listens: IpAddr) -> Self {
        let tidy = |name: &String| name.trim_matches('.').to_ascii_lowercase();
        Self { hosts: hosts.iter().map(tidy).collect(), listens, domains: domains.iter().map(tidy).collect() }
    }

    /// Whether a certificate is made for this name, which a client asks for by SNI.
    pub(super) fn has(&self, name: &str) -> bool {
        let below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        name == "localhost"
            || below("localhost")
            || self.hosts.iter().any(|host| host == name)
            || self.domains.iter().any(|domain| below(domain))
    }

    /// The domains that the authority confines itself to; whoever trusts it trusts it for nothing else.
    pub(super) fn permitted(&self) -> Vec<String> {
        let configured =
            self.hosts.iter().chain(&self.domains).filter(|name| name.parse::<IpAddr>().is_err());
        let mut permitted: Vec<String> = std::iter::once("localhost").map(str::to_owned).collect();
        permitted.extend(configured.cloned());
        permitted.sort();
        permitted.dedup();
        permitted
    }

    /// The address of the server, and those among the configured names. Clients ask for none by SNI (RFC 6066, section 3), so they are in the
    /// certificate of who asks for nothing.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        std::iter::once(self.listens).chain(self.hosts.iter().filter_map(|host| host.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn certificates_are_for_the_servers_own_names() {
        let names = Names::new(
            &["Lambda.test".into(), "10.0.0.1".into()],
            &[".fn.example".into()],
            Ipv4Addr::LOCALHOST.into(),
        );
        for name in
            ["localhost", "id.lambda-url.us-east-1.localhost", "lambda.test", "id.lambda-url.r.fn.example"]
        {
            assert!(names.has(name), "{name}");
        }
        for name in ["example.com", "notlocalhost", "localhost.example", "x.lambda.test", "fn.example"] {
            assert!(!names.has(name), "{name}");
        }
        assert_eq!(names.permitted(), ["fn.example", "lambda.test", "localhost"]);
        assert_eq!(names.addresses().count(), 2);
    }
}
