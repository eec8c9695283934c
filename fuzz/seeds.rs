//! The inputs to begin with, put where the engine looks for its corpus.

/// Writes them into the folder that `LAMBENT_FUZZ_CORPUS` names.
pub fn write(seeds: Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os("LAMBENT_FUZZ_CORPUS") else { return };
    for (number, seed) in seeds.iter().enumerate() {
        let file = std::path::Path::new(&folder).join(format!("seed-{number}"));
        std::fs::write(&file, seed).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}
