//! Measures how long it takes from `launch` to both listeners in hand, one sandbox after the other, and on until a program
//! that does nothing has run; beside it, the same program as a plain process.
//!
//! `cargo run --release -p lambent-sandbox-client --example launch_time`, as root or as an ordinary user. An argument is the size of
//! `/tmp` in MB; 512 by default, which is kept ready, any other is made on demand. With `nat` as the second argument
//! networks that reach the outside are measured as well; they change the host's, so run it under `unshare --net`.

use std::io::Read;
use std::time::{Duration, Instant};

use lambent_model::{Bytes, Entropy, EnvironmentId};
use lambent_sandbox_client::{Event, Isolation, Launcher, NatOptions, Network, Options, Program, Spec};

const LAUNCHES: usize = 300;
/// Ends at once.
const NOTHING: &str = "/bin/true";

struct Urandom;

impl Entropy for Urandom {
    fn fill(&self, buffer: &mut [u8]) {
        let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(buffer));
        read.expect("every Linux has /dev/urandom");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = std::env::temp_dir().join(format!("lambent-launch-time-{}", std::process::id()));
    let options = Options::new(format!("bench-{}", std::process::id()));
    let nat = (std::env::args().nth(2).as_deref() == Some("nat")).then_some(NatOptions { private: false });
    let options = Options { scratch: Some(scratch.clone()), nat, ..options };
    let tmp = std::env::args().nth(1).map_or(Ok(512), |size| size.parse())?;
    let mut plain = Vec::new();
    for _ in 0..LAUNCHES {
        let begin = Instant::now();
        std::process::Command::new(NOTHING).status()?;
        plain.push(begin.elapsed());
    }
    report(&format!("plain process: {NOTHING} until it has ended"), plain);
    let with_nat = nat.map(|_| ("namespaces, nat", Isolation::Namespaces, Network::Nat));
    let kinds = [
        ("namespaces", Isolation::Namespaces, Network::None),
        ("namespaces, host network", Isolation::Namespaces, Network::Host),
        ("process", Isolation::Process, Network::Host),
    ];
    for (name, isolation, network) in kinds.into_iter().chain(with_nat) {
        // Without root a launcher makes one kind alone.
        let launcher = Launcher::start(Options { isolation, ..options.clone() }).await?;
        println!("{name}: {:?}", launcher.host());
        let (mut launches, mut runs, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..LAUNCHES {
            let spec = Spec {
                id: EnvironmentId::random(&Urandom),
                isolation,
                network,
                mounts: Vec::new(),
                memory: Bytes::mib(128),
                tmp: Bytes::mib(tmp),
                pids: 742,
                snapshots: lambent_sandbox_client::Snapshotting::No,
            };
            let begin = Instant::now();
            let mut sandbox = launcher.launch(spec).await?;
            launches.push(begin.elapsed());
            let program = Program { argv: vec![NOTHING.into()], env: Vec::new(), cwd: "/".into() };
            sandbox.control.start(program).await?;
            while !matches!(sandbox.events.recv().await, Some(Event::Exited(_)) | None) {}
            runs.push(begin.elapsed());
            let begin = Instant::now();
            sandbox.control.kill();
            while !matches!(sandbox.events.recv().await, Some(Event::Gone { .. }) | None) {}
            ends.push(begin.elapsed());
        }
        report(&format!("{name}: launch"), launches);
        report(&format!("{name}: launch, and {NOTHING} until it has ended"), runs);
        report(&format!("{name}: kill until gone"), ends);
    }
    // Only root has put something there.
    if scratch.exists() {
        std::fs::remove_dir_all(scratch)?;
    }
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |per_cent: usize| times[(times.len() - 1) * per_cent / 100];
    println!("{what}: p50 {:?}, p90 {:?}, p99 {:?}, least {:?}", at(50), at(90), at(99), at(0));
}
