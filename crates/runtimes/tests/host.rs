//! The interpreters of the machine that runs the tests, whatever they are.

use std::fs;
use std::process::Command;

use lambent_runtimes::sdk::Library;
use lambent_runtimes::{Catalogue, Family, Search, Status};

#[test]
fn what_is_called_ready_runs_and_has_the_version_it_says() {
    let data = std::env::temp_dir().join(format!("lambent-runtimes-host-{}", std::process::id()));
    let search = Search::from_environment(|name| std::env::var_os(name));
    let catalogue = Catalogue::discover(&data, &search).expect("the temporary directory is writable");
    let mut ready = 0;
    for entry in catalogue.entries() {
        let Status::Ready { interpreter, version, library } = entry.status else {
            println!("skipped {}: {:?}", entry.info.id, entry.status);
            continue;
        };
        ready += 1;
        println!("{}: {version} at {}", entry.info.id, interpreter.display());
        if matches!(library, Library::Absent { required: true, .. }) {
            let missing = catalogue.layout(entry.info.id, true).expect_err("it needs its client");
            assert!(missing.to_string().contains("lambent runtimes add"), "{missing}");
            continue;
        }
        let isolated = catalogue.layout(entry.info.id, true).expect("it is ready");
        let open = catalogue.layout(entry.info.id, false).expect("it is ready");
        // What /var/lang shows under the names that layers and scripts use.
        let (lang, _) = &isolated.mounts[0];
        let alias = match entry.info.family {
            Some(Family::Python { .. }) => "python",
            Some(Family::NodeJs { .. }) => "node",
            Some(Family::Ruby { .. }) => "ruby",
            other => panic!("{other:?} has no client of ours"),
        };
        for program in [lang.join("bin").join(alias), open.argv[0].clone().into()] {
            let output = Command::new(&program).arg("--version").output().expect("it starts");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains(&version), "{} said {said}", program.display());
        }
    }
    println!("{ready} runtimes are ready");
    fs::remove_dir_all(data).expect("the test's own folder");
}

#[test]
fn a_fresh_folder_may_be_filled_by_several_at_once() {
    let data = std::env::temp_dir().join(format!("lambent-runtimes-together-{}", std::process::id()));
    let search = Search::from_environment(|name| std::env::var_os(name));
    std::thread::scope(|scope| {
        let looking: Vec<_> =
            (0..4).map(|_| scope.spawn(|| Catalogue::discover(&data, &search).map(drop))).collect();
        for look in looking {
            look.join().expect("no panic").expect("each finds what it needs");
        }
    });
    fs::remove_dir_all(data).expect("the test's own folder");
}
