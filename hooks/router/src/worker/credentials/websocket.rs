//! Placeholders in the texts of a WebSocket, where the policy says `websocket_credential_rewrite`.

use std::borrow::Cow;
use std::sync::Arc;

use nemoclaw_policy::provider::Place;

use super::super::http::Inspected;
use super::super::judge::Allowed;
use super::body::{in_json, is_json};
use super::{Misuse, Right, Scrub, Spot, plain};

/// Resolves the client's texts on one WebSocket.
pub struct Texts {
    right: Right,
}

impl Texts {
    /// For an allowed upgrade, where its rule grants that.
    #[must_use]
    pub fn granted(connection: &Arc<Inspected>, allowed: &Allowed) -> Option<Texts> {
        allowed.grant.websocket.then(|| Texts {
            right: Right::new(connection, allowed),
        })
    }

    /// One whole text as it is sent on.
    ///
    /// # Errors
    /// A placeholder stands where it must not, or cannot be resolved.
    pub fn rewrite_text<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Misuse> {
        let spot = Spot::In(Place::Websocket);
        let resolved = if is_json(text) {
            self.right.resolve(text, spot, in_json)?
        } else {
            self.right.resolve(text, spot, plain)?
        };
        Ok(match resolved {
            Some(resolved) => Cow::Owned(resolved.to_string()),
            None => Cow::Borrowed(text),
        })
    }

    /// Note what a text brought, so that the server's texts can be cleaned of it.
    pub fn remember(&self, text: &str, scrub: &mut Scrub) {
        self.right.remember(text, scrub);
    }
}
