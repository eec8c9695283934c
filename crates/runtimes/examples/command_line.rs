//! Prints, as a JSON array, the command line of a function without isolation: the tests of the runtime clients start
//! it. `command_line DATA_DIR RUNTIME MEMORY_MB HANDLER`; adds what the runtime lacks first.

use std::path::Path;

use lambent_model::MemorySize;
use lambent_runtimes::{Catalogue, Search, add};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [data_dir, runtime, memory, handler] = words.as_slice() else {
        return Err("usage: command_line DATA_DIR RUNTIME MEMORY_MB HANDLER".into());
    };
    let search = Search::from_environment(|name| std::env::var_os(name));
    let catalogue = Catalogue::discover(Path::new(data_dir), &search)?;
    if runtime.starts_with("java") {
        add::add(&catalogue, runtime, None)?;
    }
    let layout = catalogue.layout(runtime, false)?;
    let argv = layout.argv_for(MemorySize(memory.parse()?), handler, |_| None);
    let argv: Vec<String> = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    println!("{}", serde_json::to_string(&argv)?);
    Ok(())
}
