//! Whether functions could reach the outside, were they to (`--network nat`).

use lambent_sandbox_client::Host;

use super::{Check, Status};

pub(super) fn check(host: &Host) -> Check {
    let name = "network nat";
    match (&host.nat_error, &host.nat_obstacle) {
        (Some(error), _) => Check::new(
            name,
            Status::Warning,
            format!("not here: {error}"),
            Some(
                "only --network nat needs it: install nftables and, without root, slirp4netns; the kernel has to have \
                 nf_tables with NAT, conntrack and fib",
            ),
        ),
        (None, Some(obstacle)) => Check::new(
            name,
            Status::Warning,
            format!("the host drops what it forwards, and so what functions send: {obstacle}"),
            Some(
                "let pass what comes from and goes to the links lmb*; with Docker: iptables -I DOCKER-USER -i lmb+ -j \
                 ACCEPT; iptables -I DOCKER-USER -o lmb+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            ),
        ),
        (None, None) => {
            let how = if host.root { "by a link to the host" } else { "by slirp4netns" };
            Check::new(name, Status::Ok, format!("functions can reach the outside {how}"), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use lambent_sandbox_client::Cgroups;

    use super::*;

    #[test]
    fn what_is_missing_or_in_the_way_is_a_warning() {
        let host = Host {
            root: true,
            cgroups: Cgroups::None,
            controllers: Vec::new(),
            namespaces_error: None,
            tmp_error: None,
            nat_error: None,
            nat_obstacle: None,
            freezer_error: None,
            landlock: None,
            snapshots_error: None,
        };
        assert_eq!(check(&host).status, Status::Ok);
        let docker = Host { nat_obstacle: Some("chain FORWARD of table ip filter".into()), ..host.clone() };
        assert!(check(&docker).found.ends_with("chain FORWARD of table ip filter"));
        let missing = Host { nat_error: Some("no nft".into()), ..docker };
        assert_eq!(
            (check(&missing).status, check(&missing).found.as_str()),
            (Status::Warning, "not here: no nft")
        );
    }
}
