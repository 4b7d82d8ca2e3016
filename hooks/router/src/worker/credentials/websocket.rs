//! Placeholders in the texts of a WebSocket, where the policy says `websocket_credential_rewrite`, and credentials in what
//! its server sends back. The credentials are those of the connection's beginning.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use nemoclaw_policy::provider::{Place, placeholder};

use super::super::http::Inspected;
use super::super::judge::Allowed;
use super::body::{in_json, is_json};
use super::{Misuse, Right, Scrub, Spot, plain};

/// One WebSocket that carries credentials, or may.
pub struct Texts {
    right: Option<Right>,
    carried: Mutex<Scrub>,
}

impl Texts {
    /// For an allowed upgrade, whose request itself carried `carried`; `None` where there is nothing to look for.
    #[must_use]
    pub fn of(
        connection: &Arc<Inspected>,
        allowed: &Allowed,
        carried: Option<&Scrub>,
    ) -> Option<Texts> {
        let granted = allowed.grant.websocket;
        let looks = allowed.wanted.upgrade && (granted || carried.is_some());
        looks.then(|| Texts {
            right: granted.then(|| Right::new(connection, allowed)),
            carried: Mutex::new(carried.cloned().unwrap_or_default()),
        })
    }

    /// One whole text as it is sent on.
    ///
    /// # Errors
    /// A placeholder stands where it must not, or cannot be resolved.
    pub fn outgoing(&self, text: String) -> Result<String, Misuse> {
        let Some(right) = self.right.as_ref() else {
            return Ok(text);
        };
        if placeholder::find(&text).is_none() {
            return Ok(text);
        }
        let spot = Spot::In(Place::Websocket);
        let resolved = if is_json(&text) {
            right.resolve(&text, spot, in_json)?
        } else {
            right.resolve(&text, spot, plain)?
        };
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        right.remember(&text, &mut carried);
        Ok(resolved.map_or(text, |resolved| resolved.to_string()))
    }

    /// Whether what the server sends must be looked at.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        !carried.is_empty()
    }

    /// The payload of one of the server's frames without the credentials.
    #[must_use]
    pub fn incoming(&self, payload: &[u8]) -> Bytes {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        carried.clean_whole(payload)
    }
}
