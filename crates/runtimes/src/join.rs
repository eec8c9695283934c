//! Joins the modules of the Node.js client into one file.
//!
//! Node.js takes half a millisecond for each module that it resolves, reads and links, which is a good part of a cold
//! start. The sources stay apart for their readers; what is embedded is one module with the same name as the first, so
//! that stack traces and Node's own messages name the file that they name on AWS.
//!
//! They are also joined as the body of a function, which `runtimes/nodejs/index.cjs` calls and says why.
//!
//! It knows the few forms that the client uses and refuses all others, so that a module is never joined wrongly.

use std::collections::{BTreeMap, BTreeSet};

/// What the joined file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An ES module, for Node.js 24 and later (`process.getBuiltinModule` came with 20.16 and 22.3).
    Module,
    /// The body of a function.
    Body,
}

/// The modules below each of `entries`, each after those that it imports, as one file. What an entry wants of Node's own
/// modules is loaded behind the entries before it.
///
/// `read` gives the text of a module of the same folder. Names at the top of the modules must differ from each other;
/// Node.js refuses the joined file otherwise.
///
/// # Errors
///
/// The form that is not understood, with the module in which it is.
pub(crate) fn join(
    entries: &[&str],
    form: Form,
    read: impl Fn(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut joined = Joined { read, seen: BTreeSet::new(), builtins: BTreeMap::new(), body: String::new() };
    let mut text = String::new();
    for entry in entries {
        joined.add(entry)?;
        let builtins = std::mem::take(&mut joined.builtins);
        text.extend(builtins.iter().map(|(from, names)| names.statement(form, from)));
        text.push_str(&std::mem::take(&mut joined.body));
    }
    match form {
        Form::Module => Ok(text),
        Form::Body => Ok(format!("\"use strict\";\n{}", without_module_words(&text))),
    }
}

/// What only ES modules have, as the parameters of the function offer it.
fn without_module_words(body: &str) -> String {
    let mut text = String::new();
    for line in body.lines() {
        let at_top = line.starts_with("await ") || line.starts_with("if (");
        match line.split_once("await ").filter(|_| at_top) {
            Some((before, promise)) => {
                let promise = promise.trim_end_matches(';');
                text.push_str(&format!("{before}awaitAtTop({promise});"));
            }
            None => text.push_str(
                &line.replace("import.meta.url", "MODULE_URL").replace("import(file)", "importModule(file)"),
            ),
        }
        text.push('\n');
    }
    text
}

/// What is imported of one of Node's own modules.
#[derive(Default)]
struct Names {
    default: Option<String>,
    named: BTreeSet<String>,
}

impl Names {
    /// Not an `import` even in a module: for one of those Node.js reads every export, and so loads what it otherwise
    /// loads at the first use, a quarter of its whole start.
    fn statement(&self, form: Form, from: &str) -> String {
        let get = match form {
            Form::Module => "process.getBuiltinModule",
            Form::Body => "require",
        };
        let default = self.default.iter().map(|name| format!("const {name} = {get}(\"{from}\");\n"));
        let named: Vec<_> = self.named.iter().map(|name| name.replace(" as ", ": ")).collect();
        let named =
            (!named.is_empty()).then(|| format!("const {{ {} }} = {get}(\"{from}\");\n", named.join(", ")));
        default.chain(named).collect()
    }
}

struct Joined<Read> {
    read: Read,
    seen: BTreeSet<String>,
    builtins: BTreeMap<String, Names>,
    body: String,
}

impl<Read: Fn(&str) -> Result<String, String>> Joined<Read> {
    fn add(&mut self, module: &str) -> Result<(), String> {
        if !self.seen.insert(module.to_owned()) {
            return Ok(());
        }
        let text = (self.read)(module)?;
        let refuse = |line: &str| format!("{module}: cannot join `{line}`");
        let mut body = String::new();
        for line in text.lines() {
            if let Some(statement) = line.strip_prefix("import ") {
                let (what, from) = parse_import(statement).ok_or_else(|| refuse(line))?;
                self.import(what, from).map_err(|()| refuse(line))??;
            } else if let Some(declaration) = line.strip_prefix("export ") {
                let first = declaration.split(' ').next().unwrap_or_default();
                if !["const", "let", "class", "function", "async"].contains(&first) {
                    return Err(refuse(line));
                }
                body.push_str(declaration);
                body.push('\n');
            } else {
                body.push_str(line);
                body.push('\n');
            }
        }
        self.body.push_str(&body);
        Ok(())
    }

    /// The outer error is an import that has another name here than there.
    fn import(&mut self, what: &str, from: &str) -> Result<Result<(), String>, ()> {
        if let Some(module) = from.strip_prefix("./") {
            let is_plain = what.starts_with('{') && !what.contains(" as ");
            return if is_plain { Ok(self.add(module)) } else { Err(()) };
        }
        let names = self.builtins.entry(from.to_owned()).or_default();
        let (default, named) = match what.split_once('{') {
            Some((default, named)) => {
                (default.trim_end_matches([',', ' ']), named.strip_suffix('}').ok_or(())?)
            }
            None => (what, ""),
        };
        if !default.is_empty()
            && names.default.replace(default.to_owned()).is_some_and(|other| other != default)
        {
            return Err(());
        }
        names
            .named
            .extend(named.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
        Ok(Ok(()))
    }
}

/// `{ a, b } from "./module.mjs";` as what is imported and from where.
fn parse_import(statement: &str) -> Option<(&str, &str)> {
    let (what, from) = statement.split_once(" from ")?;
    Some((what, from.strip_prefix('"')?.strip_suffix("\";")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(form: Form, modules: &[(&str, &str)]) -> Result<String, String> {
        join(&["index.mjs"], form, |name| {
            let found = modules.iter().find(|(module, _)| *module == name);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| format!("there is no {name}"))
        })
    }

    #[test]
    fn each_module_is_there_once_and_after_what_it_imports() {
        let modules = [
            (
                "index.mjs",
                "import { b } from \"./b.mjs\";\nimport { a } from \"./a.mjs\";\nimport fs, { x } from \"node:fs\";\nb(a);\n",
            ),
            (
                "b.mjs",
                "import { a } from \"./a.mjs\";\nimport { y, x } from \"node:fs\";\nexport function b() {\n  return a;\n}\n",
            ),
            ("a.mjs", "// Why.\nexport const a = 1;\n"),
        ];
        let expected = "const fs = process.getBuiltinModule(\"node:fs\");\nconst { x, y } = process.getBuiltinModule(\"node:fs\");\n// Why.\nconst a = 1;\nfunction b() {\n  return a;\n}\nb(a);\n";
        assert_eq!(joined(Form::Module, &modules).as_deref(), Ok(expected));
    }

    #[test]
    fn an_entry_is_done_before_the_next_one_loads_anything() {
        let read = |name: &str| {
            Ok(match name {
                "a.mjs" => "import { x } from \"node:v8\";\nx();\n",
                _ => "import { y } from \"node:fs\";\nimport { z } from \"./a.mjs\";\ny(z);\n",
            }
            .to_owned())
        };
        let expected = "const { x } = process.getBuiltinModule(\"node:v8\");\nx();\n\
                        const { y } = process.getBuiltinModule(\"node:fs\");\ny(z);\n";
        assert_eq!(join(&["a.mjs", "b.mjs"], Form::Module, read).as_deref(), Ok(expected));
    }

    #[test]
    fn a_body_has_what_stands_for_an_es_module() {
        let text = "import fs, { x as y } from \"node:fs\";\nconst f = [import.meta.url, (file) => import(file)];\nif (fs) await y;\n";
        let expected = "\"use strict\";\nconst fs = require(\"node:fs\");\nconst { x: y } = require(\"node:fs\");\n\
                        const f = [MODULE_URL, (file) => importModule(file)];\nif (fs) awaitAtTop(y);\n";
        assert_eq!(joined(Form::Body, &[("index.mjs", text)]).as_deref(), Ok(expected));
    }

    #[test]
    fn other_forms_are_refused() {
        for form in [
            "import { a as b } from \"./a.mjs\";",
            "import a from \"./a.mjs\";",
            "import \"./a.mjs\";",
            "export default 1;",
            "export { a };",
            "export * from \"./a.mjs\";",
        ] {
            let problem = joined(Form::Module, &[("index.mjs", form), ("a.mjs", "")]).expect_err(form);
            assert!(problem.starts_with("index.mjs: cannot join"), "{problem}");
        }
        assert!(joined(Form::Module, &[("index.mjs", "import { a } from \"./gone.mjs\";")]).is_err());
    }
}
