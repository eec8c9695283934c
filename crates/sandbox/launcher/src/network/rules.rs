//! The packet rules: two files of nftables, loaded by nft(8) into the network namespace that this process is in.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lambent_sandbox_protocol::Failure;

use super::{FUNCTIONS, GATEWAY, UPLINK};
use crate::step::refused;

const ROUTER: &str = include_str!("router.nft");
const HOST: &str = include_str!("host.nft");

/// Of every table that the host holds for us; what follows names its launcher.
const TABLE: &str = "lambent-";

/// Private networks: RFC 1918, and RFC 6598 with its carriers and VPNs.
const PRIVATE: &str = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10";

/// Where distributions keep nft. The launcher has no PATH.
const PLACES: [&str; 6] = [
    "/usr/sbin/nft",
    "/usr/bin/nft",
    "/sbin/nft",
    "/usr/local/sbin/nft",
    "/usr/local/bin/nft",
    "/run/current-system/sw/bin/nft",
];

/// The program that loads rules.
#[derive(Clone)]
pub(super) struct Nft(PathBuf);

impl Nft {
    pub(super) fn find() -> Result<Self, Failure> {
        let found = PLACES.into_iter().map(Path::new).find(|path| path.exists());
        found.map(|path| Self(path.to_path_buf())).ok_or_else(|| {
            refused("the program nft is missing: install nftables (on most distributions the package of that name)")
        })
    }

    /// The router's rules, into the router's namespace.
    pub(super) fn load_router(&self, private: bool) -> Result<(), Failure> {
        self.load(&router(private)).map_err(failed("load the router's rules"))
    }

    /// Replaces the set of the host's addresses.
    pub(super) fn set_host_addresses(&self, addresses: &[Ipv4Addr]) -> Result<(), Failure> {
        self.load(&host_addresses(addresses)).map_err(failed("note the host's addresses"))
    }

    /// What the uplink may do on the host, into the host's namespace.
    pub(super) fn load_host(&self, owner: &str, uplink: &str, router: Ipv4Addr) -> Result<(), Failure> {
        self.load(&host(owner, uplink, router)).map_err(failed("load the host's rules"))
    }

    /// Removes a launcher's table from the host.
    pub(super) fn remove_host(&self, owner: &str) -> Result<(), Failure> {
        self.load(&format!("delete table ip {TABLE}{owner}\n")).map_err(failed("remove the host's rules"))
    }

    /// Whose tables the host holds.
    pub(super) fn owners(&self) -> Result<Vec<String>, Failure> {
        let tables = self.run(&["list", "tables", "ip"], "").map_err(failed("list the host's tables"))?;
        Ok(owners(&tables))
    }

    /// Chains of the host's own that drop what it forwards, unless a rule of theirs says otherwise: ours cannot.
    pub(super) fn dropping(&self) -> Result<Vec<String>, Failure> {
        let chains = self.run(&["list", "chains"], "").map_err(failed("list the host's chains"))?;
        Ok(dropping(&chains))
    }

    fn load(&self, script: &str) -> Result<(), String> {
        self.run(&["-f", "-"], script).map(|_| ())
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(&self.0)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        // A few kilobytes, which the pipe takes whole; it is closed at the end of the line.
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() && written.is_ok() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        // The first line names the fault, those after it repeat the rule.
        let text = String::from_utf8_lossy(&output.stderr);
        Err(text.lines().next().unwrap_or("it said nothing").to_owned())
    }
}

fn failed(doing: &str) -> impl Fn(String) -> Failure {
    move |said| refused(format!("{doing}: nft failed: {said}"))
}

fn router(private: bool) -> String {
    let allowed =
        if private { String::new() } else { format!("add element inet lambent private {{ {PRIVATE} }}\n") };
    format!(
        "define address = {GATEWAY}\ndefine functions = {FUNCTIONS}\ndefine uplink = \"{UPLINK}\"\n{ROUTER}{allowed}"
    )
}

fn host_addresses(addresses: &[Ipv4Addr]) -> String {
    let list: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    let flush = "flush set inet lambent host\n";
    // One transaction: there is no moment in which the set is empty.
    match list.is_empty() {
        true => flush.to_owned(),
        false => format!("{flush}add element inet lambent host {{ {} }}\n", list.join(", ")),
    }
}

fn host(owner: &str, uplink: &str, router: Ipv4Addr) -> String {
    let table = format!("{TABLE}{owner}");
    HOST.replace("TABLE", &table).replace("UPLINK", uplink).replace("ROUTER", &router.to_string())
}

/// The owners in what `nft list tables` prints: `table ip NAME`, one in a line.
fn owners(text: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix("table ip ")?.strip_prefix(TABLE).map(str::to_owned);
    text.lines().filter_map(|line| name(line.trim())).collect()
}

/// What `nft list chains` prints of chains that see forwarded packets of IPv4 and drop by default.
fn dropping(text: &str) -> Vec<String> {
    let (mut table, mut chain, mut found) = ("", "", Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches(" {");
        } else if let Some(name) = line.strip_prefix("chain ") {
            chain = name.trim_end_matches(" {");
        } else if line.contains("hook forward") && line.contains("policy drop") {
            let ipv4 = table.starts_with("ip ") || table.starts_with("inet ");
            found.extend(ipv4.then(|| format!("chain {chain} of table {table}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_in_the_set_unless_they_are_allowed() {
        assert!(router(false).contains("private { 10.0.0.0/8"));
        assert!(!router(true).contains("10.0.0.0/8"));
    }

    #[test]
    fn the_hosts_table_is_named_after_its_launcher() {
        let text = host("a.1.2.3", "lmb1", Ipv4Addr::new(169, 254, 112, 2));
        assert!(text.contains("table ip lambent-a.1.2.3 {"));
        assert!(
            !["TABLE", "UPLINK", "ROUTER"]
                .iter()
                .any(|word| text.lines().any(|line| !line.starts_with('#') && line.contains(word)))
        );
        assert_eq!(owners("table ip lambent-a.1.2.3\ntable ip nat\ntable ip6 lambent-b\n"), ["a.1.2.3"]);
    }

    #[test]
    fn chains_that_drop_forwarded_packets_are_named() {
        let text = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n\
                    \tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n\
                    table ip6 filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\
                    \t}\n}\ntable inet x {\n\tchain y {\n\t\ttype filter hook forward priority 0; policy accept;\n\t}\n}\n";
        assert_eq!(dropping(text), ["chain FORWARD of table ip filter"]);
    }

    #[test]
    fn the_hosts_addresses_change_in_one_transaction() {
        assert_eq!(host_addresses(&[]), "flush set inet lambent host\n");
        let two = host_addresses(&[Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST]);
        assert!(two.starts_with("flush") && two.ends_with("host { 127.0.0.1, 255.255.255.255 }\n"));
    }
}
