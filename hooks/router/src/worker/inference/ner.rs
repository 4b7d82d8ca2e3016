//! The operator's services that find names: they are asked about every text of a call, and one that does not answer makes
//! the call fail, since nobody has looked then.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use nemoclaw_inference::Call;
use nemoclaw_policy::node::NerService;
use nemoclaw_privacy::Finding;
use nemoclaw_privacy::ner::{Question, Service as Reader};
use zeroize::Zeroizing;

use super::refuse::Refused;
use super::whole;
use crate::limits;
use crate::worker::body::whole as body_of;
use crate::worker::dial::Alpn;
use crate::worker::event::told;
use crate::worker::pool::Origin;
use crate::worker::request::Scheme;
use crate::worker::sandbox::Sandbox;

/// A service.
#[derive(Debug)]
pub struct Service {
    name: Arc<str>,
    host: Arc<str>,
    port: u16,
    path: String,
    timeout: Duration,
    reader: Reader,
}

impl Service {
    /// The one that the node's configuration describes.
    #[must_use]
    pub fn new(name: &str, settings: &NerService) -> Service {
        Service {
            name: Arc::from(name),
            host: Arc::from(settings.url.host.as_str()),
            port: settings.url.port,
            path: match settings.url.path.as_str() {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
            timeout: settings.timeout,
            reader: Reader::new(name, settings.labels.clone()),
        }
    }

    async fn find(&self, sandbox: &Sandbox, text: &str) -> Result<Vec<Finding>, String> {
        let question = serde_json::to_vec(&Question { text }).map_err(|error| told(&error))?;
        let origin =
            Origin::new(&self.host, self.port, Scheme::Http).map_err(|error| told(&error))?;
        let mut request = Request::new(body_of(question));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::try_from(self.path.as_str()).map_err(|error| told(&error))?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let (response, _lease) = sandbox
            .near
            .send(&origin, request, Alpn::Http1)
            .await
            .map_err(|error| told(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answered {}", response.status().as_u16()));
        }
        let answer = whole::bytes(response.into_body(), limits::MODEL_BODY).await?;
        self.reader
            .findings(text, &answer)
            .map_err(|error| told(&error))
    }
}

/// What the services find in each text of a call, in the order in which they stand.
///
/// # Errors
/// One of them gives no answer that can be used.
pub async fn ask(
    sandbox: &Sandbox,
    services: &[Arc<Service>],
    call: &mut Call,
) -> Result<Vec<Vec<Finding>>, Refused> {
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    call.leaves(&mut |_, text| {
        texts.push(Zeroizing::new(text.to_owned()));
        None
    });
    if texts.len() > limits::NER_TEXTS {
        let message = format!(
            "the request has {} texts, and services look for names in at most {}",
            texts.len(),
            limits::NER_TEXTS
        );
        return Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_many_texts",
            message,
        ));
    }
    let mut all = Vec::with_capacity(texts.len());
    for text in &texts {
        let mut found = Vec::new();
        for service in services {
            let asked = tokio::time::timeout(service.timeout, service.find(sandbox, text)).await;
            let late = || {
                Err(format!(
                    "it took more than {} ms",
                    service.timeout.as_millis()
                ))
            };
            match asked.unwrap_or_else(|_| late()) {
                Ok(more) => found.extend(more),
                Err(why) => return Err(silent(service, &why)),
            }
        }
        all.push(found);
    }
    Ok(all)
}

fn silent(service: &Service, why: &str) -> Refused {
    let message = format!(
        "the service `{}`, which the policy wants to look for names, does not: {why}",
        service.name
    );
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "not_looked_at", message)
}
