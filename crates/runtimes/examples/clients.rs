//! Writes the runtime clients as they are embedded, and prints their folder: what the tests of the clients run.
//! `clients FOLDER`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: clients FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    println!("{}", lambent_runtimes::install_clients(Path::new(&folder))?.display());
    Ok(())
}
