//! A host with a network of its own, and a world around it, so that the real one's rules and links stay as they are.
//!
//! ```text
//! "host", where the test's thread is                     "world"
//! lo: the resolver's address, 127.0.0.1       eth0 ── eth0  203.0.113.1, the internet
//! eth0: 203.0.113.2                                         lo: metadata, private networks …
//! ```

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part, as a module of its own")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// Where servers of the world and of the host listen.
pub const PORT: u16 = 8080;

/// What the world has beside the internet.
pub const AROUND: [&str; 8] = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "10.1.2.3",
    "172.16.1.2",
    "192.168.1.2",
    "100.64.1.2",
];

/// Both namespaces, for as long as it lives.
pub struct World {
    host: Child,
    world: Child,
}

/// Says why tests with a world of their own cannot run here, if they cannot.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    for program in ["ip", "nft", "unshare", "nsenter"] {
        let found =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            return Some(format!("it needs the program {program}"));
        }
    }
    resolver().is_none().then(|| "/etc/resolv.conf names no resolver by an address of IPv4".to_owned())
}

/// The resolver that the forwarder asks: that of the file, whose address the world takes over.
fn resolver() -> Option<Ipv4Addr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    text.lines().find_map(|line| line.strip_prefix("nameserver ")?.trim().parse().ok())
}

impl World {
    /// Makes them, and takes this thread into the host's.
    pub fn enter() -> Self {
        let world = Self { host: namespace(), world: namespace() };
        let (host, outside) = (world.host.id(), world.world.id());
        join(host);
        run(&format!("ip link set lo up; ip link add eth0 type veth peer name eth0 netns {outside}"));
        run(&format!(
            "ip addr add {HOST}/24 dev eth0; ip link set eth0 up; ip route add default via {INTERNET}"
        ));
        let resolver = resolver().unwrap();
        if !resolver.is_loopback() {
            run(&format!("ip addr add {resolver}/32 dev lo"));
        }
        let addresses: String =
            AROUND.iter().map(|address| format!("ip addr add {address}/32 dev lo; ")).collect();
        world.outside(&format!(
            "ip link set lo up; ip addr add {INTERNET}/24 dev eth0; ip link set eth0 up; {addresses}"
        ));
        serve(outside, "world", PORT);
        serve(outside, "mail", 25);
        serve(host, "host", PORT);
        serve_names(host, resolver);
        world
    }

    /// Runs a script in the world outside.
    pub fn outside(&self, script: &str) -> String {
        inside(self.world.id(), script)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for holder in [&mut self.host, &mut self.world] {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// A process that holds a network namespace.
fn namespace() -> Child {
    let command = ["--net", "sh", "-c", "echo made; exec sleep infinity"];
    let mut child = Command::new("unshare").args(command).stdout(Stdio::piped()).spawn().unwrap();
    let mut made = [0; 5];
    child.stdout.take().unwrap().read_exact(&mut made).unwrap();
    child
}

/// Takes this thread into the network namespace of a process.
fn join(pid: u32) {
    let namespace = std::fs::File::open(Path::new("/proc").join(pid.to_string()).join("ns/net")).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Runs a script in the network namespace of a process.
pub fn inside(pid: u32, script: &str) -> String {
    run(&format!("nsenter --net=/proc/{pid}/ns/net sh -ec '{script}'"))
}

/// Runs a script where this thread is; it has to succeed.
pub fn run(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Answers every connection with where it is and who calls.
fn serve(pid: u32, name: &'static str, port: u16) {
    let (ready, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        join(pid);
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        ready.send(()).unwrap();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let caller = stream.peer_addr().unwrap().ip();
            // A caller that hung up needs no answer.
            let _ = stream.write_all(format!("{name} {caller}\n").as_bytes());
        }
    });
    listening.recv().unwrap();
}

/// Answers every question: `metadata.test` with a metadata service's address, anything else with the internet's.
fn serve_names(pid: u32, address: Ipv4Addr) {
    let (ready, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        join(pid);
        let socket = UdpSocket::bind((address, 53)).unwrap();
        ready.send(()).unwrap();
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let answer = answer(&buffer[..length]);
            let _ = socket.send_to(&answer, from);
        }
    });
    listening.recv().unwrap();
}

/// One A record, or none for other types (RFC 1035).
fn answer(question: &[u8]) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let is_a = question[name_end..name_end + 2] == [0, 1];
    let mut answer = question[..name_end + 4].to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    if is_a {
        let metadata = question[12..].starts_with(b"\x08metadata");
        let address = if metadata { Ipv4Addr::new(169, 254, 169, 254) } else { INTERNET };
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    answer
}
