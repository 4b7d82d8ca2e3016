//! An answer that comes whole.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use nemoclaw_inference::{Api, Reply, Usage};

use super::back::Back;
use super::refuse::json_response;
use crate::limits;
use crate::worker::body::Body;
use crate::worker::pool::Answered;

/// The answer for the caller, and what it used.
///
/// # Errors
/// One sentence: it cannot be handed on.
pub async fn bring(
    answered: Answered,
    upstream: Api,
    caller: Api,
    model: &str,
    back: &mut Back,
) -> Result<(Response<Body>, Option<Usage>), String> {
    let (response, _lease) = answered;
    if response.headers().contains_key("content-encoding") {
        return Err("its answer is compressed, though it was asked not to".to_owned());
    }
    let bytes = bytes(response.into_body(), limits::MODEL_ANSWER).await?;
    let mut reply = Reply::read(upstream, &bytes).map_err(|error| error.to_string())?;
    let usage = reply.usage();
    back.reply(&mut reply);
    let reply = reply
        .into_api(caller, model)
        .map_err(|error| error.to_string())?;
    Ok((json_response(StatusCode::OK, reply.to_bytes()), usage))
}

/// A body of at most `limit` bytes.
///
/// # Errors
/// One sentence: it is longer, too slow, or broke off.
pub async fn bytes(body: Incoming, limit: usize) -> Result<Bytes, String> {
    let whole = Limited::new(body, limit).collect();
    match tokio::time::timeout(limits::ANSWER_TIME, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(format!("its answer is longer than {limit} bytes"))
        }
        Ok(Err(_)) => Err("its answer broke off".to_owned()),
        Err(_) => Err(format!(
            "its answer did not come within {} s",
            limits::ANSWER_TIME.as_secs()
        )),
    }
}
