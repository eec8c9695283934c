use lambent_model::{AccountId, Count, Level, Measure, Qualifier};

use super::*;
use crate::Text;

fn arn(name: &str) -> FunctionArn {
    let scope = Scope { account: AccountId::default_account(), region: "eu-west-1".parse().unwrap() };
    FunctionArn { scope, name: name.into() }
}

fn page(metrics: &Metrics) -> String {
    let mut text = Text::default();
    metrics.write(&mut text);
    text.finish()
}

const OF_F: &str = "{account=\"000000000000\",region=\"eu-west-1\",function=\"f\"";

#[test]
fn dimensions_are_awss() {
    let metrics = Metrics::new(Limits::default());
    let function = metrics.function(&arn("f"));
    let live = Qualifier::Alias("live".into());
    function.resource(None, "$LATEST").count(Count::Invocations, 1);
    function.resource(Some(&Qualifier::Version(3)), "3").count(Count::Invocations, 2);
    function.resource(Some(&live), "3").count(Count::Invocations, 3);
    function.resource(Some(&live), "4").count(Count::Invocations, 4);
    function.resource(Some(&live), "4").measure(Measure::Duration, Duration::from_millis(3));
    function.set(Level::ConcurrentExecutions, 7);
    metrics.account(&arn("f").scope).set(Level::UnreservedConcurrentExecutions, 5);
    let page = page(&metrics);
    for line in [
        format!("lambent_function_invocations_total{OF_F},resource=\"f\"}} 1\n"),
        format!("lambent_function_invocations_total{OF_F},resource=\"f:3\"}} 2\n"),
        format!("lambent_function_invocations_total{OF_F},resource=\"f:live\",executed_version=\"3\"}} 3\n"),
        format!("lambent_function_invocations_total{OF_F},resource=\"f:live\",executed_version=\"4\"}} 4\n"),
        format!(
            "lambent_function_duration_seconds_sum{OF_F},resource=\"f:live\",executed_version=\"4\"}} 0.003\n"
        ),
        format!("lambent_function_concurrent_executions{OF_F}}} 7\n"),
        "lambent_account_invocations_total{account=\"000000000000\",region=\"eu-west-1\"} 10\n".to_owned(),
        "lambent_account_unreserved_concurrent_executions{account=\"000000000000\",region=\"eu-west-1\"} 5\n"
            .to_owned(),
    ] {
        assert!(page.contains(&line), "{line}\nis not in\n{page}");
    }
}

#[test]
fn a_deleted_functions_series_go_and_the_accounts_sums_stay() {
    let metrics = Metrics::new(Limits::default());
    let function = metrics.function(&arn("f"));
    let running = function.resource(None, "$LATEST");
    running.count(Count::Invocations, 3);
    running.measure(Measure::Duration, Duration::from_secs(1));
    assert!(page(&metrics).contains("function=\"f\""));
    drop(function);
    let page = page(&metrics);
    assert!(!page.contains("function=\"f\""), "{page}");
    assert!(
        page.contains("lambent_account_invocations_total{account=\"000000000000\",region=\"eu-west-1\"} 3\n")
    );
    assert!(metrics.functions.lock().unwrap().is_empty());
}

#[test]
fn what_finds_no_place_is_counted_with_its_function() {
    let metrics = Metrics::new(Limits { resources: 3, resources_of_a_function: 2 });
    let (f, g) = (metrics.function(&arn("f")), metrics.function(&arn("g")));
    for version in 1..=4 {
        f.resource(Some(&Qualifier::Version(version)), "").count(Count::Errors, 1);
        g.resource(Some(&Qualifier::Version(version)), "").count(Count::Errors, 10);
    }
    let shown = page(&metrics);
    assert!(
        shown.contains(&format!("lambent_function_errors_total{OF_F},resource=\"f:2\"}} 1\n")),
        "{shown}"
    );
    assert!(shown.contains(&format!("lambent_function_errors_total{OF_F}}} 2\n")), "{shown}");
    assert!(shown.contains("lambent_metrics_refused_resources_total 5\n"), "{shown}");
    assert!(
        shown.contains("lambent_account_errors_total{account=\"000000000000\",region=\"eu-west-1\"} 44\n"),
        "{shown}"
    );
    drop(f);
    g.resource(Some(&Qualifier::Version(9)), "").count(Count::Errors, 1);
    assert!(page(&metrics).contains("resource=\"g:9\""), "a place that is free again");
}
