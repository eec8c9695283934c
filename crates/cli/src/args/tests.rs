use super::*;

fn read(line: &str) -> Result<Cli, clap::Error> {
    parse_from(std::iter::once("lambent").chain(line.split_whitespace()))
}

fn client(line: &str) -> ClientCommand {
    match read(line).expect("the line is right").command {
        Command::Client(command) => command,
        other => panic!("{other:?} is no client command"),
    }
}

#[test]
fn definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn up_takes_every_fixed_flag() {
    let line = "up project --listen 127.0.0.1:80 --data-dir /d --isolation namespaces --network nat \
                --private-networks allow --auth off --store sqlite --functions-may-admin --hot-reload /a,b --prewarm 2 --snapshots off --log debug \
                --aws-endpoint sqs=http://h:1,sns=http://h:2 --aws-endpoint s3=http://h:3 --tls-cert c.pem --tls-key k.pem \
                --log-format json --demo --config c.toml";
    let Command::Up(up) = read(line).unwrap().command else { panic!("not up") };
    let expected = UpArgs {
        dir: Some("project".into()),
        listen: Some("127.0.0.1:80".parse().unwrap()),
        data_dir: Some("/d".into()),
        isolation: Some(IsolationArg::Namespaces),
        network: Some(NetworkArg::Nat),
        private_networks: Some(PrivateNetworksArg::Allow),
        auth: Some(AuthArg::Off),
        store: Some("sqlite".into()),
        functions_may_admin: Some(true),
        hot_reload: vec!["/a".into(), "b".into()],
        prewarm: Some("2".into()),
        snapshots: Some("off".into()),
        aws_endpoints: vec!["sqs=http://h:1".into(), "sns=http://h:2".into(), "s3=http://h:3".into()],
        tls_cert: Some("c.pem".into()),
        tls_key: Some("k.pem".into()),
        log: Some("debug".into()),
        log_format: Some(LogFormatArg::Json),
        demo: true,
        config: Some("c.toml".into()),
    };
    assert_eq!(up, expected);
    let Command::Up(bare) = read("up").unwrap().command else { panic!("not up") };
    assert_eq!(bare, UpArgs::default());
}

#[test]
fn deploy_collects_variables() {
    let expected = DeployArgs {
        dir: "f".into(),
        env: vec![("A".into(), "1".into()), ("B".into(), "x=y".into())],
        memory: Some(256),
        ..DeployArgs::default()
    };
    assert_eq!(client("deploy f --env A=1 --env B=x=y --memory 256"), ClientCommand::Deploy(expected));
}

#[test]
fn global_options_stand_before_or_after_the_command() {
    for line in ["--json --endpoint http://h:1 functions", "functions --json --endpoint http://h:1"] {
        let cli = read(line).unwrap();
        assert!(cli.global.json, "{line}");
        assert_eq!(cli.global.endpoint.as_deref(), Some("http://h:1"), "{line}");
    }
}

#[test]
fn wrong_lines_are_refused_as_usage() {
    for (line, kind) in [
        ("up --isolation docker", ErrorKind::InvalidValue),
        ("up --listen 4566", ErrorKind::ValueValidation),
        ("up --listen example.org:4566", ErrorKind::ValueValidation),
        ("deploy f --env A", ErrorKind::ValueValidation),
        ("deploy f --env =1", ErrorKind::ValueValidation),
        ("logs f --since 10", ErrorKind::ValueValidation),
        ("logs f --since m", ErrorKind::ValueValidation),
        ("logs f --since 99999999999w", ErrorKind::ValueValidation),
        ("invoke", ErrorKind::MissingRequiredArgument),
        ("invoke f --async --tail", ErrorKind::ArgumentConflict),
        ("up --endpoint http://h:1", ErrorKind::ArgumentConflict),
        ("doctor --region us-east-1", ErrorKind::ArgumentConflict),
        ("completions bash --json", ErrorKind::ArgumentConflict),
        ("fly", ErrorKind::InvalidSubcommand),
    ] {
        let error = read(line).expect_err(line);
        assert_eq!(error.kind(), kind, "{line}");
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn ages_are_numbers_with_a_unit() {
    for (text, seconds) in
        [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("1w", 604_800)]
    {
        assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    assert!(age("").is_err() && age("1é").is_err() && age("-1s").is_err());
}
