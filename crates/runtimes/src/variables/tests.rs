use super::*;

fn input<'a>(folders: &'a Folders, customer: &'a [(String, String)]) -> VariableInput<'a> {
    VariableInput {
        runtime: "python3.13",
        family: Family::Python { minor: 13 },
        customer,
        function_name: "f",
        function_version: "$LATEST",
        memory: MemorySize(128),
        handler: Some("app.handler"),
        region: "eu-central-1",
        log_group: "/aws/lambda/f",
        log_stream: "2026/01/01/[$LATEST]0",
        initialization_type: "on-demand",
        runtime_api: "127.0.0.1:9001",
        metadata_token: MetadataToken(""),
        xray_daemon: "127.0.0.1:2000",
        credentials: Some(CredentialsFrom::Variables(Credentials {
            access_key_id: "ASIA0",
            secret_access_key: "secret",
            session_token: "token",
        })),
        json_log_level: None,
        endpoint_url: None,
        folders,
    }
}

fn map(input: &VariableInput<'_>) -> BTreeMap<String, String> {
    variables(input).into_iter().collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn python_gets_what_aws_gives_it() {
    let folders = Folders::isolated();
    let expected = "\
AWS_ACCESS_KEY_ID=ASIA0
AWS_DEFAULT_REGION=eu-central-1
AWS_EXECUTION_ENV=AWS_Lambda_python3.13
AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128
AWS_LAMBDA_FUNCTION_NAME=f
AWS_LAMBDA_FUNCTION_VERSION=$LATEST
AWS_LAMBDA_INITIALIZATION_TYPE=on-demand
AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f
AWS_LAMBDA_LOG_STREAM_NAME=2026/01/01/[$LATEST]0
AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001
AWS_REGION=eu-central-1
AWS_SECRET_ACCESS_KEY=secret
AWS_SESSION_TOKEN=token
AWS_XRAY_CONTEXT_MISSING=LOG_ERROR
AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000
LAMBDA_RUNTIME_DIR=/var/runtime
LAMBDA_TASK_ROOT=/var/task
LANG=en_US.UTF-8
LC_CTYPE=C.UTF-8
LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib
PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin
PWD=/var/task
PYTHONPATH=/var/runtime
SHLVL=0
TZ=:UTC
_AWS_XRAY_DAEMON_ADDRESS=127.0.0.1
_AWS_XRAY_DAEMON_PORT=2000
_HANDLER=app.handler
_LAMBDA_TELEMETRY_LOG_FD=62
";
    let text: String =
        variables(&input(&folders, &[])).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    assert_eq!(text, expected);
}

#[test]
fn each_runtime_has_its_own() {
    let folders = Folders::isolated();
    let of = |runtime, family| map(&VariableInput { runtime, family, ..input(&folders, &[]) });
    let node = of("nodejs22.x", Family::NodeJs { major: 22 });
    assert_eq!(
        node["NODE_PATH"],
        "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    );
    assert!(!of("python3.11", Family::Python { minor: 11 }).contains_key("LC_CTYPE"));
    let provided = of("provided.al2023", Family::Provided);
    for absent in ["AWS_EXECUTION_ENV", "_LAMBDA_TELEMETRY_LOG_FD", "PYTHONPATH", "NODE_PATH", "PWD", "SHLVL"]
    {
        assert!(!provided.contains_key(absent), "{absent}");
    }
    assert_eq!(of("java11", Family::Java { major: 11 })["AWS_SECRET_KEY"], "secret");
    assert!(!of("java21", Family::Java { major: 21 }).contains_key("AWS_SECRET_KEY"));
}

#[test]
fn a_function_overrides_defaults_and_nothing_reserved() {
    let folders = Folders::isolated();
    let customer = pairs(&[
        ("TZ", "Europe/Berlin"),
        ("PATH", "/opt/bin"),
        ("PYTHONPATH", "/opt/x"),
        ("LD_LIBRARY_PATH", "/opt/y"),
        ("AWS_ENDPOINT_URL", "http://other"),
        ("AWS_REGION", "mars-1"),
        ("AWS_ACCESS_KEY_ID", "stolen"),
        ("AWS_LAMBDA_METADATA_TOKEN", "x"),
        ("_LAMBDA_TELEMETRY_LOG_FD", "1"),
        ("OWN", ""),
    ]);
    let mut input = input(&folders, &customer);
    input.endpoint_url = Some("http://127.0.0.1:4566");
    let all = map(&input);
    assert_eq!(all["TZ"], "Europe/Berlin");
    assert_eq!(all["PATH"], "/opt/bin");
    assert_eq!(all["PYTHONPATH"], "/opt/x");
    assert_eq!(all["LD_LIBRARY_PATH"], "/opt/y:/var/lang/lib");
    assert_eq!(all["AWS_ENDPOINT_URL"], "http://other");
    assert_eq!(all["AWS_REGION"], "eu-central-1");
    assert_eq!(all["AWS_ACCESS_KEY_ID"], "ASIA0");
    assert_eq!(all["_LAMBDA_TELEMETRY_LOG_FD"], "62");
    assert_eq!(all["OWN"], "");
    assert!(!all.contains_key("AWS_LAMBDA_METADATA_TOKEN"));
}

#[test]
fn without_isolation_real_folders_take_the_place_of_aws_s() {
    let folders = Folders {
        task: "/data/code/1".into(),
        layers: "/data/layers/2".into(),
        runtime: "/data/runtimes/3/python".into(),
        lang: "/home/u/.pyenv/versions/3.13.0".into(),
        packages: Some("/data/runtimes/sdk/python3.13".into()),
        libraries: Vec::new(),
    };
    let all = map(&input(&folders, &[]));
    assert_eq!(all["LAMBDA_TASK_ROOT"], "/data/code/1");
    assert_eq!(
        all["PYTHONPATH"],
        "/data/runtimes/3/python:/data/layers/2/python/lib/python3.13/site-packages:/data/layers/2/python:/data/runtimes/sdk/python3.13"
    );
    assert!(all["PATH"].starts_with("/home/u/.pyenv/versions/3.13.0/bin:"));
    assert!(!all.values().any(|value| value.contains("/var/task") || value.contains("/opt/")), "{all:?}");
}

#[test]
fn json_logging_shows_in_the_environment() {
    let folders = Folders::isolated();
    let of = |level| map(&VariableInput { json_log_level: level, ..input(&folders, &[]) });
    assert!(!of(None).contains_key("AWS_LAMBDA_LOG_FORMAT"));
    assert_eq!(of(Some("WARN"))["AWS_LAMBDA_LOG_LEVEL"], "WARN");
    assert!(!of(Some("")).contains_key("AWS_LAMBDA_LOG_LEVEL"));
}

#[test]
fn extensions_get_nothing_of_the_runtime_s() {
    let folders = Folders::isolated();
    let customer = pairs(&[("OWN", "1")]);
    let given: BTreeMap<_, _> =
        extension_variables(&variables(&input(&folders, &customer))).into_iter().collect();
    assert_eq!(given["OWN"], "1");
    assert_eq!(given["AWS_LAMBDA_FUNCTION_NAME"], "f");
    for absent in ["_HANDLER", "LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV", "AWS_XRAY_DAEMON_ADDRESS"] {
        assert!(!given.contains_key(absent), "{absent}");
    }
}

#[test]
fn credentials_that_are_fetched_are_in_no_variable() {
    let folders = Folders::isolated();
    let credentials = Some(CredentialsFrom::Endpoint(MetadataToken("shown")));
    let given = map(&VariableInput { credentials, ..input(&folders, &[]) });
    assert_eq!(given["AWS_CONTAINER_CREDENTIALS_FULL_URI"], "http://127.0.0.1:9001/2021-04-23/credentials");
    assert_eq!(given["AWS_CONTAINER_AUTHORIZATION_TOKEN"], "shown");
    assert!(!given.contains_key("AWS_ACCESS_KEY_ID") && !given.contains_key("AWS_SESSION_TOKEN"));
}

#[test]
fn credentials_do_not_show_their_secret() {
    let folders = Folders::isolated();
    let input = VariableInput { metadata_token: MetadataToken("metadata's secret"), ..input(&folders, &[]) };
    let shown = format!("{input:?}");
    assert!(shown.contains("ASIA0") && !shown.contains("secret") && !shown.contains("\"token\""), "{shown}");
}

#[test]
fn ruby_keeps_its_own_library_whatever_the_function_says() {
    let folders = Folders { libraries: vec!["/var/lang/lib/ruby/3.3.0".into()], ..Folders::isolated() };
    let of = |customer: &[(String, String)]| {
        let family = Family::Ruby { major: 3, minor: 3 };
        map(&VariableInput { runtime: "ruby3.3", family, ..input(&folders, customer) })
    };
    let all = of(&[]);
    assert_eq!(all["GEM_PATH"], "/var/task/vendor/bundle/ruby/3.3.0:/opt/ruby/gems/3.3.0:");
    assert_eq!(all["GEM_HOME"], "/var/runtime");
    assert_eq!(all["RUBYLIB"], "/var/task:/var/runtime/lib:/opt/ruby/lib:/var/lang/lib/ruby/3.3.0");
    let own = pairs(&[("RUBYLIB", "/var/task/lib"), ("GEM_PATH", "/opt/gems")]);
    assert_eq!(of(&own)["RUBYLIB"], "/var/task/lib:/var/lang/lib/ruby/3.3.0");
    assert_eq!(of(&own)["GEM_PATH"], "/opt/gems");
}
