//! A client of the server's public AWS API.

mod error;
mod settings;
mod transport;

pub use error::Error;
pub use settings::{Endpoint, Settings, SettingsError};
