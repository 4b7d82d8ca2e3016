//! What a body says, as far as rules ask for it.

/// What is known of a request's body (or of a WebSocket's text).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content<'a> {
    /// Nobody looked, because [`crate::Policy::inspection`] asks for nothing.
    Unread,
    /// There is no body: the request opens or ends a stream of messages (MCP: GET, DELETE).
    Nothing,
    /// It is none of what was asked for, or not to be read in one way only.
    Unreadable,
    /// GraphQL operations that it would run, at least one.
    Graphql(&'a [GraphqlOperation]),
    /// Messages of JSON-RPC or MCP, at least one.
    Rpc(&'a [RpcCall]),
}

/// One GraphQL operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphqlOperation {
    /// Its document is in the request.
    Document {
        /// Its kind.
        kind: crate::policy::OperationKind,
        /// Its name.
        name: Option<String>,
        /// Its root fields by name (not alias), those of fragments resolved; at least one.
        fields: Vec<String>,
    },
    /// Only the hash or id of a stored document is.
    Stored {
        /// The hash or id.
        id: String,
    },
}

/// One JSON-RPC message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpcCall {
    /// A request or a notification.
    Method {
        /// `method`.
        method: String,
        /// `params.name`, where it is a text.
        name: Option<String>,
    },
    /// The answer to a request of the server's.
    Answer,
}

/// Which bodies must be read before a request can be decided, and how long they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspection {
    /// As GraphQL.
    pub graphql: Option<u32>,
    /// As JSON-RPC.
    pub rpc: Option<u32>,
}

impl Inspection {
    /// Whether any is.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.graphql.is_some() || self.rpc.is_some()
    }
}
