mod support;
use support::*;
#[tokio::test]
async fn smoke() {
    let launcher = launcher().await;
    println!("{:?}", launcher.host());
    let mut s = Running::launch(&launcher, spec()).await;
    println!(
        "{}",
        s.script("cat /proc/self/mountinfo; ls -la / /dev /etc; grep Sig /proc/self/status;").await
    );
    let mut times = vec![];
    for _ in 0..100 {
        let t = std::time::Instant::now();
        let s = Running::launch(&launcher, spec()).await;
        times.push(t.elapsed());
        drop(s);
    }
    times.sort();
    println!("p50 {:?} p90 {:?} min {:?}", times[50], times[90], times[0]);
    let t = std::time::Instant::now();
    s.control.kill();
    println!("{} {:?}", s.gone().await, t.elapsed());
    let t = std::time::Instant::now();
    drop(launcher);
    println!("{:?}", t.elapsed());
}
