//! The command line.

use anyhow::{Context as _, bail};
use http::{Method, Uri};

/// What to send, how often, and what must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Where to, with host and port.
    pub(crate) url: Uri,
    /// Whom the request is for, where that is another than whom it is sent to.
    pub(crate) host: Option<String>,
    /// `POST` unless said otherwise.
    pub(crate) method: Method,
    /// The request's body.
    pub(crate) body: String,
    /// How many at a time.
    pub(crate) connections: usize,
    /// Requests before the measured ones, over all connections.
    pub(crate) warm_up: usize,
    /// Measured requests over all connections.
    pub(crate) requests: usize,
    /// Milliseconds between an answer and the next request on the same connection.
    pub(crate) pause_ms: u64,
    /// Whether the response has to hold the request's JSON. If not, any successful status will do.
    pub(crate) echo: bool,
    /// Whether the function is invoked asynchronously.
    pub(crate) event: bool,
    /// Whether the server may close a connection after an answer: it is opened again then, in the time of the request.
    pub(crate) reopen: bool,
    /// `X-Amz-Target` of a call of SQS.
    pub(crate) target: Option<String>,
}

impl Options {
    /// Reads the arguments that the module `main` describes.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let url = arguments.next().context("the first argument is the URL")?;
        let mut options = Self {
            url: url.parse().with_context(|| format!("{url}: not a URL"))?,
            host: None,
            method: Method::POST,
            body: String::new(),
            connections: 1,
            warm_up: 0,
            requests: 1,
            pause_ms: 0,
            echo: false,
            event: false,
            reopen: false,
            target: None,
        };
        while let Some(argument) = arguments.next() {
            if argument == "--echo" {
                options.echo = true;
                continue;
            }
            if argument == "--event" {
                options.event = true;
                continue;
            }
            if argument == "--reopen" {
                options.reopen = true;
                continue;
            }
            let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
            let number = || value.parse().with_context(|| format!("{argument} {value}: not a number"));
            match argument.as_str() {
                "--method" => {
                    options.method = value.parse().with_context(|| format!("{value}: not a method"))?
                }
                "--host" => options.host = Some(value),
                "--body" => options.body = value,
                "--target" => options.target = Some(value),
                "--connections" => options.connections = number()?,
                "--warm-up" => options.warm_up = number()?,
                "--requests" => options.requests = number()?,
                "--pause" => {
                    options.pause_ms =
                        value.parse().with_context(|| format!("--pause {value}: not a number"))?
                }
                _ => bail!("unknown argument '{argument}'"),
            }
        }
        anyhow::ensure!(options.connections > 0, "--connections 0: at least one is needed");
        Ok(options)
    }
}
