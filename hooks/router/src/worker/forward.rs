//! An allowed request on its way to the upstream, and the answer on its way back.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use nemoclaw_policy::Policy;

use super::body::{Body, Passing, Revoked, Source, Way, none, whole};
use super::carry::relay;
use super::credentials::Carried;
use super::denial::Denial;
use super::dial::{Alpn, DialError};
use super::event::told;
use super::http::Inspected;
use super::judge::Allowed;
use super::pool::{Answered, Lease, SendError};
use super::request::strip;
use super::resolve::ResolveError;
use super::sandbox::RequestRoom;
use super::sink::Record;
use super::wanted::Wanted;
use super::websocket::Socket;
use crate::limits;

/// What is known of a request while it is under way.
struct Underway {
    connection: Arc<Inspected>,
    wanted: Arc<Wanted>,
    carried: Carried,
    upgrade: Upgrade,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    /// It stays as it is.
    No,
    /// A WebSocket at which nobody needs to look.
    Open,
    /// A WebSocket whose client's messages are decided one by one.
    Texts,
}

impl Upgrade {
    fn of(wanted: &Wanted, carried: &Carried, policy: &Policy) -> Upgrade {
        match wanted.upgrade {
            false => Upgrade::No,
            true if carried.texts.is_none() && wanted.is_open(policy) => Upgrade::Open,
            true => Upgrade::Texts,
        }
    }
}

/// Send an allowed request on.
pub async fn forward(
    connection: &Arc<Inspected>,
    allowed: Allowed,
    head: Parts,
    body: Source,
    room: RequestRoom,
) -> Response<Body> {
    let generation = allowed.event.generation;
    let record = Record::request(&connection.sandbox.node.sink, allowed.event, room);
    let underway = Underway {
        connection: connection.clone(),
        upgrade: Upgrade::of(
            &allowed.wanted,
            &allowed.carried,
            &connection.sandbox.policy.snapshot().policy,
        ),
        wanted: Arc::new(allowed.wanted),
        carried: allowed.carried,
    };
    let mut head = head;
    if underway.upgrade == Upgrade::Texts && !plain_frames(&mut head.headers) {
        record.deny("its frames are not those of RFC 6455");
        return underway.failed(
            StatusCode::BAD_REQUEST,
            "the WebSocket's messages cannot be looked at: its version is not 13".into(),
            "send `Sec-WebSocket-Version: 13`",
        );
    }
    let (Some(uri), Some(origin)) = (underway.uri(), &connection.origin) else {
        record.deny("the path cannot be sent on");
        return underway.failed(
            StatusCode::FORBIDDEN,
            "the path cannot be sent on".into(),
            "send a plain path",
        );
    };
    let mut request = Request::from_parts(head, body);
    let upgrading = underway
        .wanted
        .upgrade
        .then(|| hyper::upgrade::on(&mut request));
    let alpn = if upgrading.is_some() {
        Alpn::Http1
    } else {
        Alpn::Any
    };
    let mut revoked = underway.revoked(generation);
    // A length that was stated is held against what comes, also when it is none.
    let stated = request.headers().contains_key(header::CONTENT_LENGTH);
    let outgoing = outgoing(request, uri, upgrading.is_some(), |body| {
        if body.is_end_stream() && !stated {
            return none();
        }
        Passing::new(body, Way::Out, record.clone(), revoked.again(), None)
            .charged(&connection.sandbox)
            .boxed_unsync()
    });
    let pool = connection.sandbox.pool.load_full();
    let begun = Instant::now();
    let sent = tokio::time::timeout(limits::ANSWER_TIME, pool.send(origin, outgoing, alpn));
    let Some(sent) = unless(&mut revoked, sent).await else {
        record.deny("the policy no longer allows it");
        let reason =
            "refused by the sandbox's policy: it changed and no longer allows this".to_owned();
        return underway.failed(
            StatusCode::FORBIDDEN,
            reason,
            "run `nemoclaw status` to see the policy in force",
        );
    };
    if let Ok(Ok(_)) = &sent {
        connection.sandbox.node.meters.answered(begun.elapsed());
    }
    match sent {
        Ok(Ok(answered)) => underway.came_back(answered, upgrading, record, revoked),
        Ok(Err(error)) => underway.no_answer(&error, record),
        Err(_) => {
            let reason = format!(
                "the upstream did not answer within {} s",
                limits::ANSWER_TIME.as_secs()
            );
            record.because(reason.clone());
            underway.failed(StatusCode::GATEWAY_TIMEOUT, reason, "try again later")
        }
    }
}

/// What `work` gives, unless the request is revoked before. That comes first: its body ends by it too, and then the answer
/// would be the upstream's fault.
async fn unless<T>(revoked: &mut Revoked, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if revoked.is_now() {
            return Poll::Ready(None);
        }
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Pin::new(&mut *revoked).poll(cx).map(|()| None),
        }
    })
    .await
}

/// The request as the upstream sees it: own framing, own host, nothing that concerned the client's connection.
fn outgoing(
    request: Request<Source>,
    uri: Uri,
    websocket: bool,
    passing: impl FnOnce(Source) -> Body,
) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    // An HTTP/2 client that takes trailers must be able to say so (gRPC refuses to answer otherwise).
    let trailers = head.version == Version::HTTP_2
        && head
            .headers
            .get(header::TE)
            .is_some_and(|te| te == "trailers");
    strip(&mut head.headers);
    if trailers {
        head.headers
            .insert(header::TE, HeaderValue::from_static("trailers"));
    }
    for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
        head.headers.remove(name);
    }
    // Cookies of one request may come in several HTTP/2 fields; HTTP/1.1 wants one.
    join_cookies(&mut head.headers);
    if websocket {
        upgrade_headers(&mut head.headers);
    }
    let mut outgoing = Request::new(passing(body));
    *outgoing.method_mut() = head.method;
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = head.headers;
    outgoing
}

fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if all.len() < 2 {
        return;
    }
    let sensitive = headers
        .get_all(header::COOKIE)
        .iter()
        .any(HeaderValue::is_sensitive);
    if let Ok(mut joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        joined.set_sensitive(sensitive);
        headers.insert(header::COOKIE, joined);
    }
}

/// Whether a WebSocket's frames will be those of RFC 6455; extensions are taken out, since they change what frames hold.
fn plain_frames(headers: &mut HeaderMap) -> bool {
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    let mut versions = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    versions.next().is_some_and(|version| version == "13") && versions.next().is_none()
}

fn upgrade_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

impl Underway {
    fn uri(&self) -> Option<Uri> {
        let path = &self.wanted.path;
        let path_and_query = match (&self.carried.target, &self.wanted.query) {
            (Some(target), _) => target.to_string(),
            (None, Some(query)) => format!("{path}?{query}"),
            (None, None) => path.clone(),
        };
        Uri::builder().path_and_query(path_and_query).build().ok()
    }

    /// Ends when the policy no longer allows this request, which that of `generation` allowed.
    fn revoked(&self, generation: u64) -> Revoked {
        let policy = self.connection.sandbox.policy.clone();
        let still = match self.upgrade {
            Upgrade::Open => Wanted::still_open,
            _ => Wanted::still_allowed,
        };
        Revoked::new(policy, self.wanted.clone(), generation, still)
    }

    fn came_back(
        mut self,
        (mut response, lease): Answered,
        upgrading: Option<OnUpgrade>,
        record: Record,
        revoked: Revoked,
    ) -> Response<Body> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.passed_back(response, record, revoked, lease);
        }
        let Some(client) = upgrading else {
            record.because("the upstream switched protocols unasked");
            return self.failed(
                StatusCode::BAD_GATEWAY,
                "the upstream switched protocols unasked".into(),
                "try again",
            );
        };
        if self.upgrade == Upgrade::Texts
            && response
                .headers()
                .contains_key(header::SEC_WEBSOCKET_EXTENSIONS)
        {
            record.because("the upstream agreed on an extension unasked");
            return self.failed(
                StatusCode::BAD_GATEWAY,
                "the upstream agreed on an extension of WebSockets unasked".into(),
                "try again",
            );
        }
        let server = hyper::upgrade::on(&mut response);
        let tasks = &self.connection.sandbox.tasks;
        if self.upgrade == Upgrade::Texts {
            let socket = Socket {
                connection: self.connection.clone(),
                wanted: self.wanted.clone(),
                texts: self.carried.texts.take(),
                record,
            };
            tasks.spawn(socket.serve(client, server, revoked));
        } else {
            tasks.spawn(websocket(client, server, record, revoked));
        }
        let (mut head, _) = response.into_parts();
        strip(&mut head.headers);
        upgrade_headers(&mut head.headers);
        self.cleaned(Response::from_parts(head, whole(Vec::new())), |_| {})
    }

    fn passed_back(
        &self,
        response: Response<Incoming>,
        record: Record,
        revoked: Revoked,
        lease: Lease,
    ) -> Response<Body> {
        let back = passed_back(response, record.clone(), revoked, lease);
        self.cleaned(back, |reason| record.because(reason))
    }

    /// The answer without the credentials that the request carried; our own where they could not be found.
    fn cleaned(&self, back: Response<Body>, refused: impl FnOnce(&str)) -> Response<Body> {
        let Some(scrub) = &self.carried.scrub else {
            return back;
        };
        scrub.clean(back).unwrap_or_else(|coded| {
            let reason = coded.to_string();
            refused(&reason);
            let hint = "ask for another answer, or use the host without its credential";
            self.failed(StatusCode::BAD_GATEWAY, reason, hint)
        })
    }

    fn no_answer(&self, error: &SendError, record: Record) -> Response<Body> {
        let (status, hint) = match error.dial() {
            Some(DialError::Resolve(ResolveError::Inside { .. })) => (
                StatusCode::FORBIDDEN,
                "to allow it, list the address under the endpoint's `allowed_ips`, or under `router.hosts` in the node's configuration",
            ),
            Some(DialError::Slow(_)) => (StatusCode::GATEWAY_TIMEOUT, "try again later"),
            Some(DialError::Certificate { .. }) => (
                StatusCode::BAD_GATEWAY,
                "if its authority is to be trusted, name its certificate under `router.extra_ca` in the node's configuration",
            ),
            Some(DialError::Proxy(_)) => (
                StatusCode::BAD_GATEWAY,
                "the operator finds the proxy under `router.upstream_proxy` in the node's configuration",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "try again later, or check that the host is up",
            ),
        };
        let reason = match error.dial() {
            Some(cause) => told(cause),
            None => told(error),
        };
        if status == StatusCode::FORBIDDEN {
            record.deny(reason.clone());
        } else {
            record.because(reason.clone());
        }
        self.failed(status, reason, hint)
    }

    fn failed(&self, status: StatusCode, error: String, hint: &str) -> Response<Body> {
        Denial {
            error,
            sandbox: &self.connection.sandbox.name,
            host: &self.connection.host,
            method: &self.wanted.method,
            path: &self.wanted.path,
            rule: None,
            proposal: None,
            budget: None,
            hint: hint.to_owned(),
        }
        .answer(status)
    }
}

fn passed_back(
    response: Response<Incoming>,
    record: Record,
    revoked: Revoked,
    lease: Lease,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        head.headers.remove(header::CONTENT_LENGTH);
    }
    strip(&mut head.headers);
    // Offers of other ways in would lead past this connection.
    head.headers.remove(HeaderName::from_static("alt-svc"));
    let body = Source::Stream(body);
    let passing = Passing::new(body, Way::Back, record, revoked, Some(lease));
    let mut back = Response::new(passing.boxed_unsync());
    *back.status_mut() = head.status;
    *back.headers_mut() = head.headers;
    back
}

async fn websocket(client: OnUpgrade, server: OnUpgrade, record: Record, revoked: Revoked) {
    let bytes = record.bytes();
    let both = async {
        record.opened().await.map_err(|error| told(&error))?;
        let (client, server) = tokio::try_join!(client, server).map_err(|error| told(&error))?;
        relay(TokioIo::new(client), TokioIo::new(server), &bytes).await
    };
    let done = tokio::select! {
        done = both => done,
        () = revoked => Err("the policy no longer allows it".to_owned()),
    };
    if let Err(reason) = done {
        record.because(reason);
    }
}
