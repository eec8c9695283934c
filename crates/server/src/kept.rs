//! What of the sandbox's promises this host keeps.

use lambent_sandbox_client::{Controller, Host};

use crate::Isolation;

/// Which limits of functions hold here, and by what.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Whether sandboxes are made without root's rights: all of them have the server's user id outside, and no other
    /// fence between them than namespaces.
    pub rootless: bool,
    /// Whether functions get no more of the processors than their memory size gives them.
    pub(crate) cpu: bool,
    /// The limits that this host does not keep, with the reason: `memory: …`.
    pub limits_not_kept: Vec<String>,
    /// The limits that this host keeps with weaker means than usual: how, and why.
    pub limits_kept_otherwise: Vec<String>,
    /// Why environments are not frozen between invocations; `None` when they are.
    pub freezer_error: Option<String>,
}

impl Kept {
    pub(crate) fn of(host: &Host, isolation: Isolation) -> Self {
        let limits_not_kept = limits_not_kept(host, isolation);
        Self {
            rootless: isolation == Isolation::Namespaces && !host.root,
            cpu: !limits_not_kept.iter().any(|limit| limit.starts_with("cpu")),
            limits_not_kept,
            limits_kept_otherwise: limits_kept_otherwise(host, isolation),
            freezer_error: host.freezer_error.clone(),
        }
    }
}

fn limits_not_kept(host: &Host, isolation: Isolation) -> Vec<String> {
    let missing = |controller: &Controller| {
        let reason = controller.missing.as_ref().filter(|_| controller.instead.is_none())?;
        Some(format!("{}: {reason}", controller.name))
    };
    let tmp = (isolation == Isolation::Process)
        .then(|| "ephemeral storage: without isolation /tmp is the host's".to_owned());
    host.controllers.iter().filter_map(missing).chain(tmp).collect()
}

fn limits_kept_otherwise(host: &Host, isolation: Isolation) -> Vec<String> {
    let otherwise = |controller: &Controller| {
        let (reason, instead) = (controller.missing.as_ref()?, controller.instead.as_ref()?);
        Some(format!("{}: {instead}, because {reason}", controller.name))
    };
    let tmp = host.tmp_error.as_ref().filter(|_| isolation == Isolation::Namespaces);
    let tmp = tmp.map(|text| format!("ephemeral storage: {text}"));
    host.controllers.iter().filter_map(otherwise).chain(tmp).collect()
}
