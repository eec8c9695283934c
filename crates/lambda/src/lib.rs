//! The rules of functions: what a valid one is, how it changes, which states it passes through.
//!
//! Pure. Requests arrive as [`Settings`] and [`Change`] (the API layer translates), refusals leave as [`Refusal`] (the
//! API layer gives them AWS's error codes). Clock and ids come in as arguments.

mod alias;
mod code_signing;
mod concurrency;
mod environment;
mod event_invoke;
mod function;
mod layer;
pub mod limits;
mod mapping;
mod policy;
mod provisioned;
mod publish;
mod refusal;
mod settings;
mod snap_start;
mod surroundings;
mod tags;
mod url;

pub use alias::{Alias, Pointed, Routing};
pub use code_signing::{CodeSigning, Untrusted, random_name};
pub use concurrency::check_reservation;
pub use environment::check_variables;
pub use event_invoke::{EventInvoke, EventInvokeChange};
pub use function::{Code, Function, LastUpdate, Preparation, RuntimeUpdate, Stamp, State};
pub use layer::{
    GET_LAYER_VERSION, Layer, LayerArn, LayerVersion, UsedLayer, check_layers, check_unpacked,
    layer_statement,
};
pub use mapping::{
    MAPPING_IDENTITY_KIND, MAPPING_KIND, Mapping, MappingSettings, Pollers, SourceKind, Transition,
};
pub use policy::{Access, AddStatement, Decision, Policy, Statement, Who};
pub use provisioned::{Provisioned, ProvisionedConfigs, split};
pub use publish::Publication;
pub use refusal::Refusal;
pub use settings::{Architecture, Change, LogFormat, Logging, Settings};
pub use surroundings::{FileSystem, Surroundings, SurroundingsChange, Vpc};
pub use tags::{merge_tags, remove_tags};
pub use url::{Cors, FunctionUrl, InvokeMode, UrlAuth, UrlChange};
