//! Every attack by its name.

mod kernels;
mod mounts;
mod namespaces;
mod processes;
mod resources;
mod sockets;

use crate::Attack;

/// The attack with this name.
pub(crate) fn find(name: &str) -> Option<Attack> {
    [
        mounts::ATTACKS,
        namespaces::ATTACKS,
        processes::ATTACKS,
        kernels::ATTACKS,
        sockets::ATTACKS,
        resources::ATTACKS,
    ]
    .concat()
    .into_iter()
    .find(|(known, _)| *known == name)
    .map(|(_, attack)| attack)
}

/// A name and what it stands for.
type Named = (&'static str, Attack);
