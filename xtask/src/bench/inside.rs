//! What stands around an invocation: a function URL before it, an extension beside it, a subscriber of telemetry after it.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::http;
use super::load::{Plan, Warm};
use super::options::Options;
use super::prepare::{Place, Programs, output};
use super::server::{MEMORY_MB, Server};
use super::stats::median;
use super::subject::Subject;
use super::warm::TINY;

/// Figures of a warm invocation, medians of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Inside {
    /// CPU time of everything for a call of a function URL, and for an Invoke with the event that this makes.
    pub(crate) url_us: f64,
    pub(crate) invoke_us: f64,
    /// Latency without an extension, and with one that does nothing.
    pub(crate) plain_p50_us: f64,
    pub(crate) extended_p50_us: f64,
    /// CPU time of server and launcher beside an extension that does nothing, and beside one that has subscribed.
    pub(crate) untold_us: f64,
    pub(crate) told_us: f64,
    /// The medians of the pairs of rounds.
    pub(crate) url_ratio: f64,
    pub(crate) extension_added_us: f64,
    pub(crate) telemetry_ratio: f64,
}

/// One round of the load generator.
struct Round {
    p50_us: f64,
    all_us: f64,
    platform_us: f64,
}

/// Alternates between the kinds; `None` without Python, in which function and extension are written.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    server: &Server,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Inside>> {
    let Some(subject) = subjects.iter().find(|subject| subject.runtime.starts_with("python")) else {
        return Ok(None);
    };
    eprintln!("measuring function URLs, extensions and telemetry");
    let layer = layer(place, server)?;
    let names = ["bench-plain", "bench-extended", "bench-told"];
    for (name, settings) in names.into_iter().zip([
        json!({}),
        json!({ "Layers": [layer] }),
        json!({ "Layers": [layer], "Environment": { "Variables": { "SUBSCRIBE": "1" } } }),
    ]) {
        server.deploy_with(&subject.runtime, subject.handler, &subject.folder, name, MEMORY_MB)?;
        call(server, "PUT", &format!("/2015-03-31/functions/{name}/configuration"), &settings)?;
        server.invoke(name, TINY)?;
    }
    let (host, event) = url(server, names[0])?;
    let (bare, plan) = (format!("http://{}/", server.address()), Plan::once("", TINY));
    let urls: Vec<String> = names.iter().map(|name| server.url(name)).collect();
    let mut rounds: [Vec<Round>; 5] = Default::default();
    for _ in 0..options.rounds {
        for (rounds, plan) in rounds.iter_mut().zip([
            Plan { url: &bare, host: &host, echo: false, ..plan },
            Plan { url: &urls[0], body: &event, ..plan },
            Plan { url: &urls[0], ..plan },
            Plan { url: &urls[1], ..plan },
            Plan { url: &urls[2], ..plan },
        ]) {
            rounds.push(round(&plan, server, programs, options)?);
        }
    }
    let [by_url, same, plain, extended, told] = &rounds;
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| {
        median(&rounds.iter().map(figure).collect::<Vec<_>>()).context("there is at least one round")
    };
    let pairs = |one: &[Round], other: &[Round], figure: fn(&Round, &Round) -> f64| {
        let figures: Vec<f64> = one.iter().zip(other).map(|(one, other)| figure(one, other)).collect();
        median(&figures).context("there is at least one pair")
    };
    Ok(Some(Inside {
        url_us: of(by_url, |round| round.all_us)?,
        invoke_us: of(same, |round| round.all_us)?,
        plain_p50_us: of(plain, |round| round.p50_us)?,
        extended_p50_us: of(extended, |round| round.p50_us)?,
        untold_us: of(extended, |round| round.platform_us)?,
        told_us: of(told, |round| round.platform_us)?,
        url_ratio: pairs(by_url, same, |url, invoke| url.all_us / invoke.all_us)?,
        extension_added_us: pairs(extended, plain, |extended, plain| extended.p50_us - plain.p50_us)?,
        telemetry_ratio: pairs(told, extended, |told, untold| told.platform_us / untold.platform_us)?,
    }))
}

#[expect(clippy::cast_precision_loss, reason = "a round has thousands of requests, not 2^52")]
fn round(plan: &Plan<'_>, server: &Server, programs: &Programs, options: &Options) -> anyhow::Result<Round> {
    let requests = options.requests;
    let warm = Warm::up(programs, &Plan { warm_up: requests / 5, requests, ..*plan })?;
    let before = server.cpu()?;
    let measured = warm.measure()?;
    let after = server.cpu()?;
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / requests as f64;
    let platform = (after.server + after.launcher).saturating_sub(before.server + before.launcher);
    let functions = after.functions.saturating_sub(before.functions);
    let p50_us = median(&measured.micros()).context("there is at least one request")?;
    Ok(Round { p50_us, all_us: each(platform + functions), platform_us: each(platform) })
}

/// The ARN of a layer with the extension.
fn layer(place: &Place, server: &Server) -> anyhow::Result<String> {
    // A zip as a text takes Python two lines, and is there.
    const PACK: &str = "import base64, io, sys, zipfile\nbuffer = io.BytesIO()\n\
                        info = zipfile.ZipInfo('extensions/observer')\ninfo.external_attr = 0o100755 << 16\n\
                        file = zipfile.ZipFile(buffer, 'w')\nfile.writestr(info, open(sys.argv[1]).read())\n\
                        file.close()\nprint(base64.b64encode(buffer.getvalue()).decode())";
    let source = place.sources.join("functions/python-extension/observer");
    let zip = output(Command::new("python3").args(["-c", PACK]).arg(source))?;
    let content = json!({ "Content": { "ZipFile": zip.trim() } });
    let published = call(server, "POST", "/2018-10-31/layers/bench-extension/versions", &content)?;
    Ok(published["LayerVersionArn"].as_str().context("the layer has no ARN")?.to_owned())
}

/// The host of a URL that everybody may call, and the event that a call makes.
fn url(server: &Server, name: &str) -> anyhow::Result<(String, String)> {
    let made =
        call(server, "POST", &format!("/2021-10-31/functions/{name}/url"), &json!({ "AuthType": "NONE" }))?;
    let url = made["FunctionUrl"].as_str().context("the URL is missing")?;
    let policy = format!("/2015-03-31/functions/{name}/policy");
    for (id, action, condition) in [
        ("url", "lambda:InvokeFunctionUrl", ("FunctionUrlAuthType", json!("NONE"))),
        ("via", "lambda:InvokeFunction", ("InvokedViaFunctionUrl", json!(true))),
    ] {
        let mut permission = json!({ "StatementId": id, "Action": action, "Principal": "*" });
        permission[condition.0] = condition.1;
        call(server, "POST", &policy, &permission)?;
    }
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    // The function returns its event.
    let event = http::call(server.address(), &host, "POST", "/", TINY)?;
    Ok((host, event))
}

fn call(server: &Server, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let host = server.address().to_string();
    let answer = http::call(server.address(), &host, method, path, &body.to_string())?;
    serde_json::from_str(&answer).with_context(|| format!("{method} {path}: {answer}"))
}
