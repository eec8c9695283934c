//! What a function sees and what it can do.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lambent_sandbox_client::{Event, Exit, Mount, Network, Program, Spec};
use support::{Running, bare, is_root, launcher, namespaces, program, shell, spec};

/// A directory of this test that is gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lambent-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn with_task(source: &Path) -> Spec {
    Spec { mounts: vec![Mount { source: source.to_owned(), target: "/var/task" }], ..spec() }
}

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    support::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user");
}

#[tokio::test]
async fn nothing_but_the_composed_root_is_visible() {
    if !namespaces("nothing_but_the_composed_root_is_visible").await {
        return;
    }
    let launcher = launcher().await;
    let mut sandbox = Running::launch(&launcher, spec()).await;
    let list = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();

    let top = list(sandbox.script("ls -A /").await);
    let known = [
        "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "mnt", "opt", "proc", "sbin", "tmp", "usr",
        "var",
    ];
    assert!(top.iter().all(|name| known.contains(&name.as_str())), "a surprise in / among {top:?}");
    let dev = list(sandbox.script("ls -A /dev").await);
    assert_eq!(dev, ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]);
    assert_eq!(sandbox.script("ls -A /var /mnt").await, "/mnt:\n\n/var:\nempty\nlang\nruntime\ntask\n");
    // The directory that is being listed has a descriptor too.
    let fds = list(sandbox.script("ls /proc/self/fd").await);
    assert_eq!(fds, ["0", "1", "2", "3", "62"]);
    // The shell sets the rest by itself.
    let env = sandbox.run(program(&["/usr/bin/env"])).await.0;
    assert_eq!(env, "PATH=/usr/local/bin:/usr/bin:/bin\n");

    // Every mount but these is read-only, and none but the root has devices.
    let mounts = sandbox.script("cat /proc/self/mountinfo").await;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (target, options) = (fields[4], fields[5]);
        let has = |option| options.split(',').any(|o| o == option);
        assert!(has("nosuid"), "{line}");
        assert!(has("ro") || ["/tmp", "/proc"].contains(&target), "{line}");
        // An ordinary user cannot make devices: each is a mount of the host's.
        let device = !is_root() && target.starts_with("/dev/") && has("noexec");
        assert!(has("nodev") || device || target == "/" || target.starts_with("/proc/"), "{line}");
        assert!(
            ["/", "/tmp"].contains(&target)
                || device
                || ["/usr", "/etc/", "/proc", "/lib", "/bin", "/sbin"].iter().any(|p| target.starts_with(p)),
            "{line}"
        );
    }
    // Hidden or empty, never the host's.
    assert_eq!(
        sandbox.script("cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c").await,
        "0\n"
    );
    assert_eq!(
        sandbox.script("cat /etc/hostname; id -un; cd ~; pwd").await,
        "169-254-100-1\nsbx_user1051\n/tmp\n"
    );
    assert_eq!(sandbox.script("[ -n \"$BASH_VERSION\" ] && echo bash").await, "bash\n");
}

#[tokio::test]
async fn a_function_has_no_privilege_and_keeps_none() {
    if !namespaces("a_function_has_no_privilege_and_keeps_none").await {
        return;
    }
    let launcher = launcher().await;
    let mut sandbox = Running::launch(&launcher, spec()).await;
    let status = sandbox.script("cat /proc/self/status").await;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk", "SigIgn"] {
        assert_eq!(field(name), "0000000000000000", "{name}");
    }
    assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".to_owned(), "2".to_owned()));
    assert_eq!(
        (field("Uid"), field("Gid"), field("Groups")),
        ("1051 1051 1051 1051".into(), "1051 1051 1051 1051".into(), String::new())
    );
    assert_eq!(
        sandbox
            .script("ulimit -n -c -l -s -u")
            .await
            .split_whitespace()
            .filter(|w| w.parse::<u32>().is_ok())
            .collect::<Vec<_>>(),
        ["1024", "0", "64", "8192", "101"]
    );
    // Init shares the function's user and is still out of reach.
    let (output, _) = sandbox
        .run(shell("ls /proc/1/fd; cat /proc/1/environ /proc/1/maps; kill -9 1; kill -STOP 1; echo done"))
        .await;
    assert_eq!(output.matches("Permission denied").count(), 3, "{output}");
    assert!(output.ends_with("done\n"), "{output}");
    assert_eq!(sandbox.script("echo alive").await, "alive\n");
}

fn linux_is_at_least(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (major, minor)
}

#[tokio::test]
async fn code_is_read_only_whoever_owns_it() {
    if !namespaces("code_is_read_only_whoever_owns_it").await {
        return;
    }
    let code = Scratch::new("code");
    std::fs::write(code.0.join("file"), "content").unwrap();
    let launcher = launcher().await;
    let mut sandbox = Running::launch(&launcher, with_task(&code.0)).await;
    // Root's are root's inside. With a single id the user's own are the function's, and the host's nobody's.
    // Before Linux 6.3 the root, a tmpfs, cannot be mapped, and what is on it belongs to nobody inside.
    let root = if linux_is_at_least(6, 3) { "0" } else { "65534" };
    let owners = if is_root() { ["0", root, root] } else { ["1051", "1051", "65534"] }.join("\n");
    assert_eq!(
        sandbox.script("cat /var/task/file; stat -c %u /var/task /opt /usr").await,
        format!("content{owners}\n")
    );
    let (output, event) = sandbox.run(shell("LC_ALL=C chmod 777 /var/task/file")).await;
    assert_eq!(event, Event::Exited(Exit::Code(1)), "{output}");
    let reason = if is_root() { "Operation not permitted" } else { "Read-only file system" };
    assert!(output.contains(reason) || output.contains("Read-only file system"), "{output}");
    for place in ["/var/task", "/opt", "/var/lang", "/var/runtime", "/usr", "/etc", "/"] {
        let script = format!("LC_ALL=C; echo x > {place}/new");
        let (output, event) = sandbox.run(shell(&script)).await;
        assert_eq!(event, Event::Exited(Exit::Code(1)));
        assert!(output.contains("Read-only file system"), "{output}");
    }
    assert_eq!(sandbox.script("echo x > /tmp/new && cat /tmp/new && stat -c %a /tmp").await, "x\n1777\n");
}

/// Attacks by system call, each in a process of its own. Prints `name=errno`, 0 for one that succeeded.
const ATTACKS: &str = r#"
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
NS = dict(user=0x10000000, mnt=0x20000, net=0x40000000, pid=0x20000000)
def call(f, *a):
    ctypes.set_errno(0)
    return 0 if f(*a) >= 0 else ctypes.get_errno()
def number(n): return lambda: call(libc.syscall, n, 0, 0, 0, 0, 0, 0)
def mount():
    libc.unshare(NS['mnt']); libc.mount(None, b'/', None, 0x44000, None)
    return call(libc.mount, b'none', b'/tmp', b'tmpfs', 0, None)
def clone_ns(flag):
    def f():
        pid = libc.syscall(56, flag | 17, 0, 0, 0, 0)
        if pid == 0: os._exit(0)
        if pid > 0: os.waitpid(pid, 0)
        return 0 if pid > 0 else ctypes.get_errno()
    return f
def family(f, t, p=0):
    def g():
        try: socket.socket(f, t, p).close()
        except OSError as e: return e.errno
        return 0
    return g
def setns():
    return call(libc.setns, os.open('/proc/self/ns/uts', os.O_RDONLY), 0)
def prlimit_parent():
    import resource
    try: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0))
    except OSError as e: return e.errno
    return 0
A = {
 'mount': mount, 'unshare-user': lambda: call(libc.unshare, NS['user']), 'unshare-net': lambda: call(libc.unshare, NS['net']),
 'setns': setns, 'trace': lambda: call(libc.ptrace, 0, 0, 0, 0), 'prlimit': prlimit_parent,
 'key': lambda: call(libc.syscall, 250, 1, 0, 0, 0, 0), 'chroot': lambda: call(libc.chroot, b'/tmp'),
 'netlink-audit': family(16, 3, 9), 'packet': family(17, 3, 768), 'vsock': family(40, 1), 'alg': family(38, 5),
}
if os.uname().machine == 'x86_64':
    A.update({'clone-user': clone_ns(NS['user']), 'clone-pid': clone_ns(NS['user'] | NS['pid'])})
    for name, n in dict(pivot_root=155, umount=166, fsopen=430, open_tree=428, move_mount=429, mount_setattr=442, bpf=321,
        perf=298, userfaultfd=323, io_uring=425, kexec=246, module=175, finit=313, vm_read=310, swapon=167, reboot=169,
        acct=163, quotactl=179, by_handle=304, to_handle=303, iopl=172, settime=227, pidfd_getfd=438, syslog=103,
        add_key=248, sethostname=170).items(): A[name] = number(n)
    A['clone3'] = number(435); A['x32'] = number(0x40000000 + 39)
for name in sys.argv[1:] or A:
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, str(A[name]()).encode()); os._exit(0)
    os.close(w); os.wait(); print(f'{name}={os.read(r, 9).decode()}'); os.close(r)
"#;

fn attack(names: &[&str]) -> Option<Program> {
    let python = "/usr/bin/python3";
    if !Path::new(python).exists() {
        eprintln!("skipped the attacks by system call: the host has no {python}");
        return None;
    }
    Some(program(&[&[python, "-c", ATTACKS], names].concat()))
}

fn results(output: &str) -> BTreeMap<&str, &str> {
    output.lines().map(|line| line.split_once('=').unwrap_or((line, "no result"))).collect()
}

#[tokio::test]
async fn every_attack_by_system_call_is_refused() {
    if !namespaces("every_attack_by_system_call_is_refused").await {
        return;
    }
    let Some(all) = attack(&[]) else { return };
    let launcher = launcher().await;
    let mut sandbox = Running::launch(&launcher, spec()).await;
    let (output, event) = sandbox.run(all).await;
    assert_eq!(event, Event::Exited(Exit::Code(0)), "{output}");
    let (eperm, enosys, eafnosupport) = ("1", "38", "97");
    for (name, errno) in results(&output) {
        let expected = match name {
            "clone3" | "x32" => enosys,
            "netlink-audit" | "packet" | "vsock" | "alg" => eafnosupport,
            _ => eperm,
        };
        assert_eq!(errno, expected, "{name}");
    }
    // The same attacks are real: without isolation they get through, as far as the user's own rights go.
    let mut weak = Running::launch(&launcher, bare()).await;
    let anybodys = ["unshare-user", "trace", "prlimit", "key", "netlink-audit"];
    let roots = ["mount", "unshare-net", "chroot", "setns", "packet"];
    let real = if is_root() { [&anybodys[..], &roots].concat() } else { anybodys.to_vec() };
    let (output, _) = weak.run(attack(&real).expect("python was there a moment ago")).await;
    assert!(results(&output).values().all(|errno| *errno == "0"), "{output}");
}

#[tokio::test]
async fn neither_host_nor_neighbour_is_visible() {
    if !namespaces("neither_host_nor_neighbour_is_visible").await {
        return;
    }
    let secret = Scratch::new("secret");
    std::fs::write(secret.0.join("key"), "secret").unwrap();
    let path = secret.0.display();
    let look =
        format!("cat {path}/key /proc/1/root{path}/key; ls /root /home /run /srv /sys 2>/dev/null; true");
    let processes = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; done 2>/dev/null; true";

    let launcher = launcher().await;
    let mut neighbour = Running::launch(&launcher, spec()).await;
    neighbour.control.start(shell("echo mine > /tmp/mine; echo ready; sleep 98765")).await.unwrap();
    neighbour.line("ready").await;
    let mut sandbox = Running::launch(&launcher, spec()).await;
    let output = sandbox.script(&look).await;
    assert!(!output.contains("secret\n") && output.lines().all(|line| line.starts_with("cat: ")), "{output}");
    let output = sandbox.script(processes).await;
    assert!(output.contains("lambent-init") && !output.contains("98765"), "{output}");
    assert_eq!(sandbox.script("ls -A /tmp").await, "");

    let mut weak = Running::launch(&launcher, bare()).await;
    assert!(weak.script(&look).await.contains("secret"));
    assert!(weak.script(processes).await.contains("98765"));
}

#[tokio::test]
async fn only_a_sandbox_on_the_hosts_network_reaches_and_resolves() {
    if !namespaces("only_a_sandbox_on_the_hosts_network_reaches_and_resolves").await {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{}", listener.local_addr().unwrap().port());
    let connect = program(&["/bin/bash", "-c", &connect]);
    let launcher = launcher().await;
    let mut closed = Running::launch(&launcher, spec()).await;
    assert_eq!(closed.run(connect.clone()).await.1, Event::Exited(Exit::Code(1)));
    assert_eq!(
        closed
            .script("cat /etc/resolv.conf; ls /sys/class/net 2>/dev/null; cut -d: -f1 -s /proc/net/dev")
            .await
            .matches(" lo")
            .count(),
        1
    );
    let mut open = Running::launch(&launcher, Spec { network: Network::Host, ..spec() }).await;
    assert_eq!(open.run(connect).await.1, Event::Exited(Exit::Code(0)));
    assert_eq!(
        open.script("cat /etc/resolv.conf").await,
        std::fs::read_to_string("/etc/resolv.conf").unwrap()
    );
}

#[tokio::test]
async fn interpreters_work_under_the_filter() {
    if !namespaces("interpreters_work_under_the_filter").await {
        return;
    }
    let python = "import threading, subprocess, ssl, socket, json, os, pathlib, tempfile, resource\n\
                  t = threading.Thread(target=lambda: None); t.start(); t.join()\n\
                  assert subprocess.run(['echo', 'x'], capture_output=True).stdout == b'x\\n'\n\
                  assert socket.getaddrinfo('localhost', 80)[0][4][0] == '127.0.0.1'\n\
                  ssl.create_default_context(); socket.if_nameindex(); tempfile.mkdtemp(); pathlib.Path.home()\n\
                  print('ok')";
    let node = "require('child_process').execFileSync('true'); require('os').networkInterfaces(); \
                require('fs').promises.readFile('/etc/hosts').then(() => console.log('ok'))";
    let launcher = launcher().await;
    let mut sandbox =
        Running::launch(&launcher, Spec { pids: 200, memory: lambent_model::Bytes::mib(512), ..spec() })
            .await;
    for (interpreter, flag, text) in [("/usr/bin/python3", "-c", python), ("/usr/bin/node", "-e", node)] {
        if !Path::new(interpreter).exists() {
            eprintln!("skipped {interpreter}: the host has none");
            continue;
        }
        let (output, event) = sandbox.run(program(&[interpreter, flag, text])).await;
        assert_eq!((output.as_str(), event), ("ok\n", Event::Exited(Exit::Code(0))), "{interpreter}");
    }
}
