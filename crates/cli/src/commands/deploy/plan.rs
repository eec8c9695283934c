//! What a folder and the flags together ask for, as requests. Pure.

use std::collections::BTreeMap;

use lambent_model::AccountId;
use lambent_wire::Blob;
use lambent_wire::lambda::types::{
    Architecture, CreateFunctionRequest, Environment, FunctionCode, FunctionConfiguration, PackageType,
    Runtime, UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest,
};

use super::super::{DefaultRuntime, Error};
use crate::DeployArgs;
use crate::package::{Detected, Family, detect, fits};

/// A packed folder and what was said about it.
pub(super) struct Folder<'a> {
    pub(super) args: &'a DeployArgs,
    pub(super) name: &'a str,
    pub(super) top_level: &'a [String],
    pub(super) default_runtime: DefaultRuntime<'a>,
}

/// The function's name: as given, or that of the folder or jar.
pub(super) fn name(args: &DeployArgs) -> Result<String, Error> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let path = args
        .dir
        .canonicalize()
        .map_err(|source| Error::Package(crate::package::Error::Read { path: args.dir.clone(), source }))?;
    let own = if path.is_file() { path.file_stem() } else { path.file_name() };
    let folder = own.and_then(|name| name.to_str()).unwrap_or_default();
    // Checked here and not for `--name`: the server's answer would speak of a name that nobody has typed.
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if folder.is_empty() || folder.len() > 64 || !folder.chars().all(fits) {
        let text = format!("the name {folder:?} cannot be a function's; give one with --name");
        return Err(Error::Usage(text));
    }
    Ok(folder.to_owned())
}

impl Folder<'_> {
    /// Everything for a new function.
    pub(super) fn create(&self, zip: Vec<u8>, account: &AccountId) -> Result<CreateFunctionRequest, Error> {
        let args = self.args;
        let runtime = match &args.runtime {
            Some(runtime) => runtime.clone(),
            None => self.runtime_of(self.detected()?)?,
        };
        let handler = match &args.handler {
            Some(handler) => handler.clone(),
            None => self.handler_for(&runtime)?,
        };
        Ok(CreateFunctionRequest {
            function_name: self.name.to_owned(),
            runtime: Some(Runtime::from(runtime)),
            handler: Some(handler),
            role: args.role.clone().unwrap_or_else(|| format!("arn:aws:iam::{account}:role/lambent")),
            code: FunctionCode { zip_file: Some(Blob::from(zip)), ..Default::default() },
            description: args.description.clone(),
            timeout: args.timeout,
            memory_size: args.memory,
            environment: self.environment(),
            architectures: self.architectures(),
            ..Default::default()
        })
    }

    /// The new code of an existing function.
    pub(super) fn update_code(&self, zip: Vec<u8>) -> UpdateFunctionCodeRequest {
        UpdateFunctionCodeRequest {
            function_name: self.name.to_owned(),
            zip_file: Some(Blob::from(zip)),
            architectures: self.architectures(),
            ..Default::default()
        }
    }

    /// What of the configuration changes: what the flags say, and the runtime when the folder is now of another
    /// language. All else stays as it was set, here or with other tools.
    pub(super) fn update_configuration(
        &self,
        existing: &FunctionConfiguration,
    ) -> Result<Option<UpdateFunctionConfigurationRequest>, Error> {
        if existing.package_type == Some(PackageType::Image) {
            let text = format!("{} is made from a container image; give another name with --name", self.name);
            return Err(Error::Usage(text));
        }
        let args = self.args;
        let before = existing.runtime.as_ref().and_then(|runtime| Family::of_runtime(runtime.as_str()));
        let runtime = match (&args.runtime, detect(self.top_level)) {
            (Some(runtime), _) => Some(runtime.clone()),
            (None, Detected::One(family)) if before != Some(family) => Some(self.runtime_of(family)?),
            (None, _) => None,
        };
        let handler = match (&args.handler, &runtime) {
            (Some(handler), _) => Some(handler.clone()),
            (None, Some(runtime)) if Family::of_runtime(runtime) != before => {
                Some(self.handler_for(runtime)?)
            }
            (None, _) => None,
        };
        let request = UpdateFunctionConfigurationRequest {
            function_name: self.name.to_owned(),
            runtime: runtime.map(Runtime::from),
            handler,
            role: args.role.clone(),
            description: args.description.clone(),
            timeout: args.timeout,
            memory_size: args.memory,
            environment: self.environment(),
            ..Default::default()
        };
        let nothing =
            UpdateFunctionConfigurationRequest { function_name: self.name.to_owned(), ..Default::default() };
        Ok((request != nothing).then_some(request))
    }

    fn detected(&self) -> Result<Family, Error> {
        let dir = self.args.dir.display();
        match detect(self.top_level) {
            Detected::One(family) => Ok(family),
            Detected::Nothing => Err(Error::Usage(format!(
                "{dir} holds no lambda_function.py, index.mjs, index.js, index.cjs, lambda_function.rb, jar or \
                 bootstrap; name --runtime and --handler"
            ))),
            Detected::Several => {
                Err(Error::Usage(format!("the files in {dir} fit more than one language; name --runtime")))
            }
        }
    }

    fn runtime_of(&self, family: Family) -> Result<String, Error> {
        let language = match family {
            Family::Python => "Python",
            Family::Nodejs => "Node.js",
            Family::Ruby => "Ruby",
            Family::Java => "Java",
            Family::Provided => return Ok("provided.al2023".to_owned()),
        };
        (self.default_runtime)(family).ok_or_else(|| {
            Error::Usage(format!("no interpreter for {language} was found on this machine; name --runtime"))
        })
    }

    /// The usual handler, when the file that it names is there.
    fn handler_for(&self, runtime: &str) -> Result<String, Error> {
        let family = Family::of_runtime(runtime).filter(|family| fits(*family, self.top_level));
        match family.and_then(Family::handler) {
            Some(handler) => Ok(handler.to_owned()),
            None => Err(Error::Usage(format!(
                "{} does not tell the handler for {runtime}; name --handler",
                self.args.dir.display()
            ))),
        }
    }

    fn environment(&self) -> Option<Environment> {
        let variables: BTreeMap<String, String> = self.args.env.iter().cloned().collect();
        (!variables.is_empty()).then_some(Environment { variables: Some(variables) })
    }

    fn architectures(&self) -> Option<Vec<Architecture>> {
        self.args.architecture.clone().map(|name| vec![Architecture::from(name)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_runtime(family: Family) -> Option<String> {
        match family {
            Family::Python => Some("python3.12".to_owned()),
            Family::Ruby => Some("ruby3.4".to_owned()),
            Family::Java => Some("java21".to_owned()),
            _ => None,
        }
    }

    fn check<T>(args: &DeployArgs, files: &[&str], look: impl FnOnce(&Folder<'_>) -> T) -> T {
        let top_level: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        look(&Folder { args, name: "f", top_level: &top_level, default_runtime: &default_runtime })
    }

    fn created(args: &DeployArgs, files: &[&str]) -> Result<(String, String), String> {
        let account = AccountId::default_account();
        let request = check(args, files, |folder| folder.create(b"zip".to_vec(), &account));
        let request = request.map_err(|error| error.to_string())?;
        Ok((request.runtime.unwrap().to_string(), request.handler.unwrap()))
    }

    #[test]
    fn files_and_flags_decide_on_runtime_and_handler() {
        let flags = |runtime: Option<&str>, handler: Option<&str>| DeployArgs {
            dir: "d".into(),
            runtime: runtime.map(str::to_owned),
            handler: handler.map(str::to_owned),
            ..DeployArgs::default()
        };
        let none = flags(None, None);
        let ok = |runtime: &str, handler: &str| Ok((runtime.to_owned(), handler.to_owned()));
        for (args, files, expected) in [
            (&none, &["lambda_function.py"][..], ok("python3.12", "lambda_function.lambda_handler")),
            (&none, &["bootstrap"], ok("provided.al2023", "bootstrap")),
            (&none, &["lambda_function.rb"], ok("ruby3.4", "lambda_function.lambda_handler")),
            (&flags(None, Some("a.B::c")), &["a.jar"], ok("java21", "a.B::c")),
            (
                &flags(Some("nodejs22.x"), None),
                &["index.mjs", "bootstrap"],
                ok("nodejs22.x", "index.handler"),
            ),
            (&flags(None, Some("a.b")), &["lambda_function.py"], ok("python3.12", "a.b")),
            (&flags(Some("java21"), Some("a.B::c")), &["a.jar"], ok("java21", "a.B::c")),
        ] {
            assert_eq!(created(args, files), expected, "{files:?}");
        }
        for (args, files, expected) in [
            (&none, &["main.py"][..], "d holds no lambda_function.py"),
            (&none, &["a.jar"], "name --handler"),
            (&none, &["bootstrap", "index.js"], "more than one language"),
            (&none, &["index.js"], "no interpreter for Node.js"),
            (&flags(Some("java21"), None), &["a.jar"], "name --handler"),
            (&flags(Some("python3.13"), None), &["main.py"], "name --handler"),
        ] {
            let error = created(args, files).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn update_touches_what_was_asked_for_alone() {
        let existing = FunctionConfiguration {
            runtime: Some(Runtime::from("python3.9".to_owned())),
            ..Default::default()
        };
        let update = |args: &DeployArgs, files: &[&str]| {
            check(args, files, |folder| folder.update_configuration(&existing))
                .map_err(|error| error.to_string())
        };
        let none = DeployArgs::default();
        assert_eq!(update(&none, &["lambda_function.py"]), Ok(None));
        assert_eq!(update(&none, &["main.py"]), Ok(None));
        let memory = DeployArgs { memory: Some(512), ..DeployArgs::default() };
        let request = update(&memory, &["lambda_function.py"]).unwrap().unwrap();
        assert_eq!((request.memory_size, request.runtime, request.handler), (Some(512), None, None));
        // Another language: runtime and handler follow the files.
        let request = update(&none, &["bootstrap"]).unwrap().unwrap();
        assert_eq!(request.runtime.unwrap().as_str(), "provided.al2023");
        assert_eq!(request.handler.as_deref(), Some("bootstrap"));
        // A newer runtime of the same language keeps the handler.
        let newer = DeployArgs { runtime: Some("python3.13".to_owned()), ..DeployArgs::default() };
        let request = update(&newer, &["main.py"]).unwrap().unwrap();
        assert_eq!((request.runtime.unwrap().as_str(), request.handler), ("python3.13", None));
        let image = FunctionConfiguration { package_type: Some(PackageType::Image), ..Default::default() };
        assert!(check(&none, &["bootstrap"], |folder| folder.update_configuration(&image)).is_err());
    }
}
