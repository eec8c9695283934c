//! Provisioned concurrency, of each version and alias that has some (Lambda Developer Guide, "Monitoring concurrency",
//! provisioned concurrency metrics).

use lambent_metrics::{Kind, Text};
use lambent_model::{FunctionArn, Provisioning, Qualifier};

/// Writes it as it is now; nothing where there is none.
pub(super) fn write(all: &[(FunctionArn, Qualifier, Provisioning)], text: &mut Text) {
    if all.is_empty() {
        return;
    }
    type Figure = fn(&Provisioning) -> f64;
    let figures: [(&str, &str, Figure); 3] = [
        ("provisioned_concurrency", "Environments that are configured to be kept initialised.", |of| {
            f64::from(of.requested)
        }),
        ("provisioned_concurrent_executions", "Of these, those with an invocation.", |of| {
            f64::from(of.in_use)
        }),
        (
            "provisioned_concurrency_utilization",
            "Invocations on provisioned concurrency, as a part of what is configured.",
            |of| f64::from(of.in_use) / f64::from(of.requested.max(1)),
        ),
    ];
    for (name, help, figure) in figures {
        text.metric(&format!("lambent_function_{name}"), Kind::Gauge, help);
        for (arn, qualifier, told) in all {
            let (account, region) = (arn.scope.account.to_string(), arn.scope.region.to_string());
            let resource = format!("{}:{qualifier}", arn.name);
            let labels = [
                ("account", &*account),
                ("region", &region),
                ("function", &arn.name),
                ("resource", &resource),
            ];
            text.value(&labels, figure(told));
        }
    }
}

#[cfg(test)]
mod tests {
    use lambent_model::{AccountId, ProvisioningStatus, Region, Scope};

    use super::*;

    #[test]
    fn an_alias_and_a_version_have_their_own_utilization() {
        let scope = Scope { account: AccountId::default_account(), region: Region::default_region() };
        let arn = FunctionArn { scope, name: "f".into() };
        let told = |requested, in_use| Provisioning {
            requested,
            allocated: requested,
            available: requested,
            in_use,
            status: ProvisioningStatus::Ready,
            reason: None,
        };
        let mut text = Text::default();
        let all = [
            (arn.clone(), Qualifier::Version(1), told(4, 3)),
            (arn, Qualifier::Alias("live".to_owned()), told(2, 0)),
        ];
        write(&all, &mut text);
        let page = text.finish();
        let line = |resource, value| {
            format!(
                "lambent_function_provisioned_concurrency_utilization{{account=\"000000000000\",region=\"us-east-1\",\
                 function=\"f\",resource=\"f:{resource}\"}} {value}\n"
            )
        };
        assert!(page.contains(&line("1", 0.75)) && page.contains(&line("live", 0.0)), "{page}");
    }
}
