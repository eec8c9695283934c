//! What sandboxes reach over the network, and what they do not: each fence is shown to stop what goes through
//! without it.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;
#[path = "support/world.rs"]
mod world;

use lambent_sandbox_client::{Launcher, NatOptions, Network, Options, Spec};
use support::{Running, spec};
use world::{AROUND, HOST, INTERNET, PORT, World, inside, run};

/// A world, or the reason why the test is skipped.
fn world(test: &str) -> Option<World> {
    match world::missing() {
        None => Some(World::enter()),
        Some(reason) => {
            eprintln!("skipped {test}: {reason}");
            None
        }
    }
}

async fn launcher(name: &str, private: bool) -> Launcher {
    let instance = format!("net-{}-{name}", std::process::id());
    let options = Options { nat: Some(NatOptions { private }), ..Options::new(instance) };
    let launcher = Launcher::start(options).await.unwrap();
    assert_eq!(launcher.host().nat_error, None);
    launcher
}

fn nat() -> Spec {
    Spec { network: Network::Nat, ..spec() }
}

/// The host's table of the launcher with this name.
fn table(name: &str) -> String {
    let tables = run("nft list tables ip");
    let ours = format!("lambent-net-{}-{name}.", std::process::id());
    tables.split_whitespace().find(|word| word.starts_with(&ours)).unwrap().to_owned()
}

/// The children of the launcher with this name that are called so on their command line or by their own name.
fn children(name: &str, called: &str) -> Vec<u32> {
    let launcher = table(name).rsplit('.').nth(1).unwrap().to_owned();
    processes_below(&launcher, called).iter().map(|pid| pid.parse().unwrap()).collect()
}

/// The children of a process that are called so on their command line or by their own name.
fn processes_below(parent: &str, called: &str) -> Vec<String> {
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children: String = threads.map(|thread| read(&thread.unwrap().path().join("children"))).collect();
    let is = |pid: &&str| {
        let process = std::path::Path::new("/proc").join(pid);
        ["comm", "cmdline"].iter().any(|file| read(&process.join(file)).starts_with(called))
    };
    children.split_whitespace().filter(is).map(str::to_owned).collect()
}

/// The process that keeps the router.
fn router(name: &str) -> u32 {
    children(name, "lambent-net")[0]
}

/// What a server at this address says to the sandbox, or the error.
async fn call(sandbox: &mut Running, address: impl std::fmt::Display) -> String {
    call_at(sandbox, address, PORT).await
}

async fn call_at(sandbox: &mut Running, address: impl std::fmt::Display, port: u16) -> String {
    let script =
        format!("exec 2>&1; timeout 5 sh -c 'exec 3<>/dev/tcp/{address}/{port} && cat <&3' || echo nothing");
    sandbox.script(&script).await
}

/// Its address, as the host sees it from the outside of the sandbox.
async fn own_address(sandbox: &mut Running) -> String {
    let script = "python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                  s.connect((\"203.0.113.1\", 1)); print(s.getsockname()[0])'";
    sandbox.script(script).await.trim().to_owned()
}

#[tokio::test]
async fn the_outside_is_reached_by_name_and_translated() {
    let Some(world) = world("the_outside_is_reached_by_name_and_translated") else { return };
    let launcher = launcher("out", false).await;
    let mut sandbox = Running::launch(&launcher, nat()).await;
    assert_eq!(call(&mut sandbox, INTERNET).await, format!("world {HOST}\n"), "the caller is the host");
    assert_eq!(
        sandbox.script("getent ahosts lambda.test | head -1").await.split_whitespace().next(),
        Some("203.0.113.1")
    );
    assert_eq!(call(&mut sandbox, "lambda.test").await, format!("world {HOST}\n"));
    drop(world);
}

/// Everything around that is not to be reached, while the internet is.
async fn assert_fenced(sandbox: &mut Running, addresses: &[&str], what: &str) {
    assert_eq!(call(sandbox, INTERNET).await, format!("world {HOST}\n"));
    for address in addresses {
        let said = call(sandbox, address).await;
        assert!(said.contains("Connection refused"), "{what}: {address} said {said}");
    }
}

#[tokio::test]
async fn metadata_private_networks_and_the_host_are_out_of_reach() {
    let Some(world) = world("metadata_private_networks_and_the_host_are_out_of_reach") else { return };
    let launcher = launcher("fence", false).await;
    let mut sandbox = Running::launch(&launcher, nat()).await;
    assert_fenced(&mut sandbox, &AROUND, "a fence of the router's").await;
    let host = HOST.to_string();
    assert_fenced(&mut sandbox, &[&host, "169.254.96.1"], "the host").await;
    let named = call(&mut sandbox, "metadata.test").await;
    assert!(named.contains("Connection refused"), "a name for it opens nothing: {named}");
    assert!(call_at(&mut sandbox, INTERNET, 25).await.contains("Connection refused"), "mail");

    // The same calls arrive where the router has no rules: the fences are what stops them.
    let router = router("fence");
    inside(router, "nft flush chain inet lambent forward; nft add rule inet lambent forward accept");
    for address in AROUND {
        assert_eq!(call(&mut sandbox, address).await, format!("world {HOST}\n"), "{address}");
    }
    assert_eq!(call(&mut sandbox, "metadata.test").await, format!("world {HOST}\n"));
    assert_eq!(call_at(&mut sandbox, INTERNET, 25).await, format!("mail {HOST}\n"));
    // The host has a fence of its own, whatever the router lets pass.
    assert_eq!(call(&mut sandbox, &host).await, "nothing\n");
    for chain in ["prerouting", "input"] {
        run(&format!("nft flush chain ip {} {chain}", table("fence")));
    }
    let reached = call(&mut sandbox, &host).await;
    assert!(reached.starts_with("host 169.254."), "{reached}");
    drop(world);
}

#[tokio::test]
async fn private_networks_can_be_allowed_and_nothing_else_with_them() {
    let Some(world) = world("private_networks_can_be_allowed_and_nothing_else_with_them") else { return };
    let launcher = launcher("private", true).await;
    let mut sandbox = Running::launch(&launcher, nat()).await;
    let (private, rest): (Vec<&str>, Vec<&str>) = AROUND.iter().partition(|address| {
        ["10.", "172.", "192.168.", "100.64."].iter().any(|net| address.starts_with(net))
    });
    assert_eq!((private.len(), rest.len()), (4, 4));
    for address in private {
        assert_eq!(call(&mut sandbox, address).await, format!("world {HOST}\n"), "{address}");
    }
    let host = HOST.to_string();
    assert_fenced(&mut sandbox, &rest, "metadata").await;
    assert_fenced(&mut sandbox, &[&host], "the host").await;
    drop(world);
}

#[tokio::test]
async fn sandboxes_do_not_reach_each_other_nor_speak_for_each_other() {
    let Some(world) = world("sandboxes_do_not_reach_each_other_nor_speak_for_each_other") else { return };
    let launcher = launcher("apart", false).await;
    let mut one = Running::launch(&launcher, nat()).await;
    let mut other = Running::launch(&launcher, nat()).await;
    let address = own_address(&mut other).await;
    assert_ne!(address, own_address(&mut one).await);
    let listen = format!(
        "import socket; s = socket.create_server((\"0.0.0.0\", {PORT})); print(\"listening\", flush=True)\nwhile True: s.accept()[0].sendall(b\"other\\n\")"
    );
    other.control.start(support::program(&["/usr/bin/python3", "-c", &listen])).await.unwrap();
    other.line("listening").await;
    let said = call(&mut one, &address).await;
    assert!(said.contains("Connection refused"), "{said}");
    let router = router("apart");
    inside(router, "nft flush chain inet lambent forward; nft add rule inet lambent forward accept");
    assert_eq!(call(&mut one, &address).await, "other\n", "without the rules the way is open");
    drop(world);
}

#[tokio::test]
async fn nobody_inside_can_change_the_network() {
    let Some(world) = world("nobody_inside_can_change_the_network") else { return };
    let launcher = launcher("rights", false).await;
    let mut sandbox = Running::launch(&launcher, nat()).await;
    let interfaces = sandbox.script("cut -d: -f1 -s /proc/net/dev | tr -d ' \n'").await;
    assert_eq!(interfaces, "loeth0");
    assert_eq!(
        sandbox.script("cat /proc/net/if_inet6 | grep -v ' lo$' || true").await,
        "",
        "no IPv6 but loopback's"
    );
    // Not even as root of the sandbox's user namespace, which is more than a function can become.
    let as_root = |pid: u32, link: &str| {
        format!(
            "nsenter --user=/proc/{pid}/ns/user --net=/proc/{pid}/ns/net ip link set {link} down 2>&1 || true"
        )
    };
    let init = children("rights", "lambent-init")[0];
    assert!(run(&as_root(init, "eth0")).contains("Operation not permitted"));
    // In a network that is the sandbox's own it can: the one thing that differs is whose it is.
    drop(sandbox);
    let _lonely = Running::launch(&launcher, spec()).await;
    let init = *children("rights", "lambent-init").iter().find(|pid| **pid != init).unwrap();
    assert_eq!(run(&as_root(init, "lo")), "");
    drop(world);
}

#[tokio::test]
async fn a_foreign_source_address_leads_nowhere() {
    let Some(world) = world("a_foreign_source_address_leads_nowhere") else { return };
    let launcher = launcher("spoof", false).await;
    let _sandbox = Running::launch(&launcher, nat()).await;
    let (router, init) = (router("spoof"), children("spoof", "lambent-init")[0]);
    let dropped = || inside(router, "nft list chain inet lambent prerouting | grep -o \"packets [0-9]*\"");
    // With the rights of the host's root, which nobody inside has.
    inside(init, "ip addr add 169.254.99.99/32 dev eth0");
    let speak = format!(
        "python3 -c \"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
         s.bind((\\\"169.254.99.99\\\", 0)); s.sendto(b\\\"x\\\", (\\\"{INTERNET}\\\", 9))\""
    );
    inside(router, "nft insert rule inet lambent forward ip saddr 169.254.99.99 counter");
    let passed =
        || inside(router, "nft list chain inet lambent forward | grep -o \"99.99 counter packets [0-9]*\"");
    inside(init, &speak);
    assert_eq!((dropped().as_str(), passed().as_str()), ("packets 1\n", "99.99 counter packets 0\n"));
    inside(
        router,
        "nft flush chain inet lambent prerouting; echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter",
    );
    inside(init, &speak);
    assert_eq!(passed(), "99.99 counter packets 1\n", "without the rule it passes on");
    drop(world);
}

#[tokio::test]
async fn nothing_stays_on_the_host() {
    let Some(world) = world("nothing_stays_on_the_host") else { return };
    let links = || run("ip -o link | cut -d: -f2");
    let before = links();
    let first = launcher("first", false).await;
    let second = launcher("second", false).await;
    let sandbox = Running::launch(&first, nat()).await;
    let mut other = Running::launch(&second, nat()).await;
    assert_eq!(links().matches("lmb").count(), 2, "one link for each, by names of their own");
    let (kept, killed) = (table("second"), table("first"));
    // The server's end is enough for the first one.
    drop((sandbox, first));
    support::until("the first one's rules and link are gone", || {
        !run("nft list tables ip").contains(&killed) && links().matches("lmb").count() == 1
    })
    .await;
    assert!(run("nft list tables ip").contains(&kept));
    assert_eq!(call(&mut other, INTERNET).await, format!("world {HOST}\n"), "the other one goes on");
    // Killed with its helper, it leaves its rules to the next one.
    let (worker, process) = (router("second"), kept.rsplit('.').nth(1).unwrap().to_owned());
    run(&format!("kill -9 {worker} {process}"));
    other.gone().await;
    drop((other, second));
    assert!(run("nft list tables ip").contains(&kept), "nobody was left to remove them");
    let third = launcher("third", false).await;
    assert!(!run("nft list tables ip").contains(&kept));
    let ours = table("third");
    assert!(run("nft list tables ip").contains(&ours));
    // Killed alone, its helper sees its end and clears away.
    run(&format!("kill -9 {}", ours.rsplit('.').nth(1).unwrap()));
    support::until("all is as before", || links() == before && run("nft list tables").is_empty()).await;
    drop(third);
    drop(world);
}

/// Set where the test below is run by the one after it.
const WITHIN: &str = "LAMBENT_TEST_WORLD";

#[tokio::test]
async fn an_ordinary_user_within_a_world() {
    if std::env::var_os(WITHIN).is_none() {
        eprintln!("skipped an_ordinary_user_within_a_world: another test runs it, as an ordinary user");
        return;
    }
    let networks = launcher("user", false).await;
    assert!(!networks.host().root);
    let mut one = Running::launch(&networks, nat()).await;
    assert_eq!(call(&mut one, "lambda.test").await, format!("world {HOST}\n"));
    assert_fenced(&mut one, &AROUND, "as an ordinary user").await;
    // The host's own addresses, its loopback under slirp's names for it, and names that lead there.
    let host = HOST.to_string();
    assert_fenced(&mut one, &[&host, "169.254.112.2", "169.254.112.3", "metadata.test"], "the host").await;
    let mut other = Running::launch(&networks, nat()).await;
    let address = own_address(&mut other).await;
    assert_fenced(&mut one, &[&address], "another sandbox").await;

    // The same calls arrive where the router has no rules.
    let launcher = processes_below(&std::process::id().to_string(), "lambent-launch").remove(0);
    let router = processes_below(&launcher, "lambent-net").remove(0);
    let spaces = format!("--preserve-credentials --user=/proc/{router}/ns/user --net=/proc/{router}/ns/net");
    run(&format!(
        "nsenter {spaces} sh -ec 'nft flush chain inet lambent forward; nft add rule inet lambent forward accept'"
    ));
    assert_eq!(call(&mut one, &host).await, format!("host {HOST}\n"));
    for address in AROUND.iter().filter(|address| !address.starts_with("169.254.")) {
        assert_eq!(call(&mut one, address).await, format!("world {HOST}\n"), "{address}");
    }

    // Killed, the router's keeper leaves nothing, and who wants a network hears why there is none.
    let slirp = processes_below(&router, "slirp4netns").remove(0);
    run(&format!("kill -9 {router}"));
    // Dead, it may wait for the launcher to take note of it: then it has no command line any more.
    let alive = || std::fs::read(format!("/proc/{slirp}/cmdline")).is_ok_and(|line| !line.is_empty());
    support::until("slirp4netns has ended", || !alive()).await;
    let error = networks.launch(nat()).await.unwrap_err().to_string();
    assert!(error.contains("the process that makes networks has ended"), "{error}");
    println!("{FENCED}");
}

/// What it says when all of it held.
const FENCED: &str = "all fences hold";

#[tokio::test]
async fn an_ordinary_user_has_the_same_fences() {
    let Some(world) = world("an_ordinary_user_has_the_same_fences") else { return };
    if !std::path::Path::new("/usr/bin/slirp4netns").exists() {
        eprintln!("skipped an_ordinary_user_has_the_same_fences: it needs slirp4netns");
        return;
    }
    // Not every host lets its users open the device; this one does, for the test.
    let device = "mount -t tmpfs none /mnt; mknod /mnt/tun c 10 200; chmod 666 /mnt/tun; \
                  mount --bind /mnt/tun /dev/net/tun; umount -l /mnt";
    let folder = support::OrdinaryFolder::new();
    let test = folder.binary();
    let said = run(&format!(
        "exec 2>&1; unshare --mount sh -ec \"{device}; cd {}; exec env -i {WITHIN}=1 TMPDIR={} PATH=/usr/bin:/bin:/usr/sbin \
         setpriv --reuid 54321 --regid 54321 --clear-groups {} --exact an_ordinary_user_within_a_world --nocapture\"",
        folder.path().display(),
        folder.path().display(),
        test.display()
    ));
    assert!(said.contains(FENCED), "{said}");
    drop(world);
}
